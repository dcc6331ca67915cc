#pragma once

#include <filesystem>
#include <string>

#include "harness/record/settings/settings.h"

namespace replicate {

/// What --model says when it is no name under configs/models: a GGUF file (of a split model its first), a folder of
/// Hugging Face or of training here, or a model's folder in Hugging Face's cache, of which the snapshot is taken that
/// its refs/main names; where there is no such path, ORGANISATION/NAME[@REVISION] is looked for in the caches of
/// hub_caches(assets). A model is called after its file or folder. Error when there is none.
ModelSettings model_from_path(const std::string& text, const std::filesystem::path& assets);

}  // namespace replicate
