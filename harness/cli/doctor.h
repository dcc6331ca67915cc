#pragma once

// `replicate doctor`: what this machine can run and what is missing, one line each with the remedy.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace replicate::cli {

/// What LibTorch knows of this program and machine.
struct LibTorchFacts {
  std::string version;            ///< of the LibTorch that this program is linked with
  bool cuda = false;              ///< this program is linked with its CUDA part
  std::vector<std::string> gpus;  ///< that it can use, a line each
  std::optional<std::string> nvrtc_failure =
      {};  ///< why no kernel can be compiled while it runs; nothing where one can
};

/// Looks at processor, memory, disk, LibTorch, gnuplot, GPU, NVRTC and at every model of `configs` under
/// `assets` (content against its sha256, up to 256 MiB; above that the file's presence).
/// `ok` becomes false when something is missing that a run of the default profile needs.
std::string doctor_report(const std::filesystem::path& configs, const std::filesystem::path& assets,
                          const LibTorchFacts& libtorch, bool& ok);

}  // namespace replicate::cli
