#pragma once

// What is known of a claim before it runs: under which thresholds it was recorded (configs/registered.yaml), and how
// often its test errs (configs/calibration.yaml).

#include "base/yaml.h"
#include "harness/record/settings/settings.h"

namespace replicate {

/// configs/registered.yaml and configs/calibration.yaml; either may be absent.
struct RegisteredFiles {
  std::optional<Yaml> registered, calibration;
};

RegisteredFiles read_registration(const std::filesystem::path& configs);

/// Fills registered and error_rates of every claim. Mechanism claims are registered by the model's name, training
/// claims by the profile. Error where a file is wrong.
void add_registration(Settings& settings, const RegisteredFiles& registration);

/// Error where an entry is wrong or names a claim that is not one of these.
void check_registration(const std::filesystem::path& configs, const std::vector<std::string>& claims);

}  // namespace replicate
