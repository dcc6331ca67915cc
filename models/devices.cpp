#include "models/devices.h"

#ifdef REPLICATE_CUDA_KERNELS
#include <cuda_runtime_api.h>
#endif

namespace replicate {

#ifdef REPLICATE_CUDA_KERNELS

namespace {

cudaDeviceProp properties(int index) {
  cudaDeviceProp all{};
  if (cudaGetDeviceProperties(&all, index) != cudaSuccess) return {};
  return all;
}

}  // namespace

std::string description(at::Device device) {
  if (!device.is_cuda()) return device.str();
  return device.str() + ", " + properties(device.has_index() ? device.index() : 0).name;
}

std::vector<std::string> gpus() {
  std::vector<std::string> lines;
  const int count = at::detail::getCUDAHooks().getNumGPUs();
  for (int i = 0; i < count; ++i) {
    const auto gpu = properties(i);
    lines.push_back(std::string(gpu.name) + ", sm_" + std::to_string(gpu.major) + std::to_string(gpu.minor) + ", " +
                    std::to_string(gpu.totalGlobalMem >> 30) + " GiB");
  }
  return lines;
}

#else

std::string description(at::Device device) { return device.str(); }

std::vector<std::string> gpus() {
  std::vector<std::string> lines;
  if (!at::hasCUDA()) return lines;
  for (int i = 0; i < at::detail::getCUDAHooks().getNumGPUs(); ++i) lines.push_back("cuda:" + std::to_string(i));
  return lines;
}

#endif

}  // namespace replicate
