#include "models/core/devices.h"

#ifdef REPLICATE_CUDA_KERNELS
#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>
#include <unistd.h>

#include <array>
#endif

namespace replicate {

#ifdef REPLICATE_CUDA_KERNELS

namespace {

cudaDeviceProp properties(int index) {
  cudaDeviceProp all{};
  if (cudaGetDeviceProperties(&all, index) != cudaSuccess) return {};
  return all;
}

std::string host() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string hexadecimal(const cudaUUID_t& uuid) {
  std::string text;
  for (const char byte : uuid.bytes) {
    for (const int shift : {4, 0}) text += "0123456789abcdef"[(byte >> shift) & 15];
  }
  return text;
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

std::vector<std::string> gpu_names() {
  std::vector<std::string> names;
  const int count = at::detail::getCUDAHooks().getNumGPUs();
  for (int i = 0; i < count; ++i) names.push_back("GPU-" + hexadecimal(properties(i).uuid) + " on " + host());
  return names;
}

std::string cuda_versions() {
  int driver = 0, runtime = 0;
  if (gpus().empty() || cudaDriverGetVersion(&driver) != cudaSuccess) return {};
  if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) return {};
  const auto text = [](int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  };
  return "driver " + text(driver) + ", runtime " + text(runtime);
}

double peak_gpu_memory_mb(at::Device device) {
  if (!device.is_cuda()) return 0;
  const auto stats =
      c10::cuda::CUDACachingAllocator::getDeviceStats(device.has_index() ? device.index() : c10::DeviceIndex{0});
  return static_cast<double>(stats.allocated_bytes[0].peak) / (1 << 20);
}

#else

std::string description(at::Device device) { return device.str(); }

std::vector<std::string> gpus() {
  std::vector<std::string> lines;
  if (!at::hasCUDA()) return lines;
  for (int i = 0; i < at::detail::getCUDAHooks().getNumGPUs(); ++i) lines.push_back("cuda:" + std::to_string(i));
  return lines;
}

std::vector<std::string> gpu_names() { return gpus(); }

std::string cuda_versions() { return {}; }

double peak_gpu_memory_mb(at::Device) { return 0; }

#endif

}  // namespace replicate
