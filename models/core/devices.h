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

/// "driver 13.0, runtime 12.8"; empty without a GPU or without nvcc.
std::string cuda_versions();

/// MiB: the largest use by tensors of this process so far; 0 on a processor.
double peak_gpu_memory_mb(at::Device device);

}  // namespace replicate
