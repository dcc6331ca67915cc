#pragma once

// configs/claims/<id>.yaml and configs/training.yaml.

#include <filesystem>
#include <vector>

#include "harness/record/settings/draft.h"
#include "harness/record/settings/requirement_settings.h"

namespace replicate {

/// Error when the file is not as a claim's should be.
ClaimDraft read_claim(const std::filesystem::path& file, const JudgingRules& rules);

/// All claims under `configs`, in the order of the paper's figures, then by id.
std::vector<ClaimDraft> read_claims(const std::filesystem::path& configs, const JudgingRules& rules);

/// What the claims of kind training train: the schema and its defaults stand in a file of their own.
ParameterTable read_training(const std::filesystem::path& configs);

/// The arms that each claim's YAML lists. Error with "did you mean" on one that training.yaml gives no seeds, since it
/// could never be trained.
void read_arms(const ParameterTable& training, std::vector<ClaimDraft>& claims);

}  // namespace replicate
