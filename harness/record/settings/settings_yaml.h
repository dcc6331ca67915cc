#pragma once

#include <string>

#include "harness/record/settings/settings.h"

namespace replicate {

/// config.yaml of the run folder: everything as merged.
std::string settings_yaml(const Settings& settings);

}  // namespace replicate
