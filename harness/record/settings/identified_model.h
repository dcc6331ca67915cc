#pragma once

// A model that is given by its path: which file of configs/models it is judged by.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/yaml.h"
#include "harness/record/settings/model_identity.h"

namespace replicate {

struct Draft;

/// configs/models/<name>.yaml
struct ModelFile {
  std::string name;
  Yaml yaml;
};

/// All files in `folder`, by name.
std::vector<ModelFile> read_model_files(const std::filesystem::path& folder);

/// The draft's model is judged by the first file whose identity it has, else by this project's thresholds alone.
/// Without an identity it has none of theirs: the model could not be read, and what opens it later says why.
void apply_identity(Draft& draft, const std::vector<ModelFile>& files, const std::optional<ModelIdentity>& identity,
                    const std::filesystem::path& assets);

}  // namespace replicate
