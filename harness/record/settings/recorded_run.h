#pragma once

// config.yaml of a run folder: the settings of a run that is repeated.

#include <filesystem>

#include "harness/record/settings/settings.h"

namespace replicate {

struct Draft;
class Yaml;

/// What runs the claims of a run folder again as its config.yaml says, on today's thresholds. Error when the folder has
/// none, or no records.
SettingsRequest recorded_request(const std::filesystem::path& run, SettingsRequest request);

/// Sets the numbers and parameters of config.yaml. A claim that no longer exists is left out, a parameter that no
/// longer exists is an Error, and one that has come since keeps today's value.
void apply_recorded(Draft& draft, const Yaml& config);

}  // namespace replicate
