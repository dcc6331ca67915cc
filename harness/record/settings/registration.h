#pragma once

// configs/registered.yaml: the definitions that are registered, and the models whose numbers were known then. Written
// by scripts/register.py.

#include <filesystem>
#include <optional>

#include "base/yaml.h"
#include "harness/record/settings/draft.h"

namespace replicate {

/// Nothing where no definition is registered: the file does not exist.
std::optional<Yaml> read_registered(const std::filesystem::path& configs);

/// Fills known_models, which decide what is calibrated, so before a model's file is applied.
void apply_known_models(Draft& draft, const std::optional<Yaml>& registered);

/// Fills `registration` of every claim that is registered, once all parameters are merged. own_inputs: with the
/// profile's seed, and with BOS where the model's own settings ask for it.
void apply_registration(Draft& draft, const std::optional<Yaml>& registered, bool own_inputs);

/// Error where an entry is wrong, or names no claim or no model of configs/models.
void check_registered(const std::filesystem::path& configs, const std::vector<ClaimDraft>& claims);

}  // namespace replicate
