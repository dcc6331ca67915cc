#pragma once

// How often a claim's test erred on models of which the truth is known: configs/calibration.yaml.

#include "base/yaml.h"
#include "harness/record/settings/settings.h"

namespace replicate {

/// configs/calibration.yaml; nothing where it does not exist.
std::optional<Yaml> read_error_rates(const std::filesystem::path& configs);

/// Fills error_rates of every claim whose definition is the one that was tried. Error where an entry is wrong.
void add_error_rates(Settings& settings, const std::optional<Yaml>& calibration);

/// Error where an entry is wrong or names a claim that is not one of these.
void check_error_rates(const std::filesystem::path& configs, const std::vector<std::string>& claims);

}  // namespace replicate
