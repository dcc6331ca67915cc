#pragma once

// configs/predictions.yaml: what was predicted of a model's verdicts before the model was measured. The rules of the
// forecasters stand in docs/predictions.md.

#include <filesystem>
#include <optional>

#include "base/yaml.h"
#include "harness/record/settings/draft.h"

namespace replicate {

/// nullopt if the file does not exist.
std::optional<Yaml> read_predictions(const std::filesystem::path& configs);

/// Fills `predicted_models` of every claim that has a prediction in its present version and for this profile.
void apply_predictions(Draft& draft, const std::optional<Yaml>& predictions);

/// Error where an entry names no claim, or where three probabilities do not sum to 1.
void check_predictions(const std::filesystem::path& configs, const std::vector<ClaimDraft>& claims);

}  // namespace replicate
