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

/// Whether `model` is a path, and no name in `folder`, which is configs/models.
bool is_model_path(const std::string& model, const std::filesystem::path& folder);

/// The model of this name under configs/models. Error when there is none, when its weights do not come with this
/// project, or when its licence asks for consent that was not given.
void apply_named_model(Draft& draft, const std::string& model, const SettingsRequest& request);

}  // namespace replicate
