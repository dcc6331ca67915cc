#pragma once

#include <filesystem>

#include "models/core/executor.h"

namespace replicate {

/// A folder with config.json and weights in safetensors. Every tensor is checked against the configuration; weights
/// stay mapped and are decoded layer by layer. Error for anything missing or wrong.
std::shared_ptr<const Model> open_model_folder(const std::filesystem::path& folder, const std::string& name,
                                               at::Device device);

}  // namespace replicate
