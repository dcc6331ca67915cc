#pragma once

#include <string>
#include <vector>

#include "models/core/torch.h"

namespace replicate {

/// "cpu", or "cuda:0, NVIDIA H100 80GB HBM3" where the program was built with nvcc.
std::string description(at::Device device);

/// The GPUs that this program can use, a line each: "NVIDIA H100 80GB HBM3, sm_90, 79 GiB".
std::vector<std::string> gpus();

/// The same GPUs by name: "GPU-1b9df49d... on node7", which no other GPU has, where the program was built with nvcc.
std::vector<std::string> gpu_names();

}  // namespace replicate
