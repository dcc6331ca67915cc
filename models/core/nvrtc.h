#pragma once

// NVRTC compiles CUDA kernels while a program runs: LibTorch calls it for most of its special functions, cuDNN for
// attention on a Hopper GPU. It opens a second library, libnvrtc-builtins, by its bare name. The loader finds that in
// NVRTC's folder only where the folder is on its own path, or where LibTorch was linked with DT_RPATH (as PyPI's
// packages are), which holds for NVRTC too; DT_RUNPATH does not. Python's torch loads the library when it is imported,
// and so does this program.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace replicate {

/// Where the builtins library may lie: beside NVRTC (the file as it was loaded, and the one that a link points to),
/// then where pip's packages for this major version of CUDA put it, seen from LibTorch's folder lib/.
std::vector<std::filesystem::path> nvrtc_folders(const std::filesystem::path& nvrtc,
                                                 const std::filesystem::path& libtorch_lib, int cuda);

/// What the loader should open: the file of this name in the first folder that has one, or else the bare name.
std::string library_in(const std::vector<std::filesystem::path>& folders, const std::string& name);

/// Loads the builtins library of the NVRTC in this process; does nothing where there is no NVRTC. Call it before the
/// first kernel is compiled.
void load_nvrtc_builtins();

/// Why NVRTC cannot compile a kernel in this process; nothing where it can. Needs no GPU.
std::optional<std::string> nvrtc_failure();

}  // namespace replicate
