#pragma once

// configs/models/<name>.yaml: a model, and what it changes in the claims.

#include <filesystem>
#include <string>

namespace replicate {

struct Draft;
struct SettingsRequest;
class Yaml;

/// Error when the file is not as a model's should be, or names what does not exist. Files of models lie under `assets`.
void apply_model(Draft& draft, const Yaml& yaml, const std::string& name, const std::filesystem::path& assets);

/// The model that has this name under configs/models or lies at this path. Error when there is neither, when its
/// weights do not come with this project, or when its licence asks for consent that was not given.
void choose_model(Draft& draft, const std::string& model, const SettingsRequest& request);

}  // namespace replicate
