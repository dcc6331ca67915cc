#pragma once

// What the two programs share: `replicate`, which answers from settings and records, and `replicate-compute`, to which
// it hands over what needs LibTorch. Loading LibTorch takes a third of a second, which `--list`, `diff` and `report`
// need not wait for.

#include <functional>

#include "base/exit_codes.h"
#include "harness/cli/command_line.h"
#include "harness/record/settings/settings.h"

namespace replicate::cli {

std::filesystem::path home();    ///< where configs/ lies: REPLICATE_HOME, else the source tree
std::filesystem::path assets();  ///< REPLICATE_ASSETS, else .assets below it

/// The settings that the command line asks for, on a GPU or not.
SettingsRequest settings_request(const CommandLine& line, bool gpu);

/// Reads the files under configs, identifies a model that is given by its path, and merges: all settings of a run. What
/// opens a model that cannot be read says later why it cannot.
Settings settings_of(const SettingsRequest& request);

/// The exit code of `work`; an exception becomes one line on standard error and the exit code for it.
int guarded(const std::function<int()>& work);

}  // namespace replicate::cli
