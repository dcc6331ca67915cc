#pragma once

// `replicate doctor`: what this machine can run and what is missing, one line each with the remedy.

#include <filesystem>
#include <string>

namespace replicate {

/// Looks at processor, memory, disk, LibTorch, gnuplot, GPU and at every model of `configs` under
/// `assets` (content against its sha256, up to 256 MiB; above that the file's presence).
/// `libtorch`: version of the LibTorch that this program is linked with. `ok` becomes false when
/// something is missing that a run of the default profile needs.
std::string doctor_report(const std::filesystem::path& configs, const std::filesystem::path& assets,
                          const std::string& libtorch, bool& ok);

}  // namespace replicate
