#pragma once

// What is known of a claim before it runs: under which thresholds it was recorded (configs/registered.yaml), and how
// often its test errs (configs/calibration.yaml).

#include "harness/record/settings/settings.h"

namespace replicate {

/// Fills registered and error_rates of every claim. Either file may be absent. Mechanism claims are registered
/// by the model's name, training claims by the profile. Error where a file is wrong.
void add_registration(Settings& settings, const std::filesystem::path& configs);

/// Error where an entry is wrong or names a claim that is not one of these.
void check_registration(const std::filesystem::path& configs, const std::vector<std::string>& claims);

}  // namespace replicate
