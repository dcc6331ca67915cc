#pragma once

// configs/known.yaml: what claims are known to end with, as a person expects it or as a run recorded it.

#include <filesystem>
#include <optional>

#include "base/yaml.h"
#include "harness/record/settings/draft.h"

namespace replicate {

/// Nothing where the file does not exist.
std::optional<Yaml> read_known(const std::filesystem::path& configs);

/// Fills `known` of every claim: by the name of the model for claims about one, by the profile for those that train
/// their own. A model given by its path has the entries of the file in configs/models that it is judged by. Error where
/// an entry of them is wrong.
void apply_known(Draft& draft, const std::optional<Yaml>& known);

/// Error where any entry is wrong, or belongs to a model, a profile or a claim that does not exist.
void check_known(const std::filesystem::path& configs, const std::vector<ClaimDraft>& claims);

}  // namespace replicate
