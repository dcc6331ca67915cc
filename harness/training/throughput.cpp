#include "harness/training/throughput.h"

#include <algorithm>
#include <cstdio>

#include "base/stopwatch.h"
#include "models/core/devices.h"

namespace replicate {
namespace {

constexpr int64_t kProcessorSize = 768, kDeviceSize = 8192;
constexpr int kRepeats = 5;

/// 7,400
std::string grouped(int64_t number) {
  auto text = std::to_string(number);
  for (size_t right = 3; right < text.size(); right += 4) text.insert(text.size() - right, 1, ',');
  return text;
}

/// The best of some products of large square matrices.
double measured_flops(at::Device device, bool bfloat16, int64_t threads) {
  const ThreadsOfARun guard(threads);
  const auto size = device.is_cpu() ? kProcessorSize : kDeviceSize;
  const auto options = at::TensorOptions().device(device).dtype(bfloat16 ? at::kBFloat16 : at::kFloat);
  const auto a = at::ones({size, size}, options);
  auto c = at::mm(a, a);
  double best = INFINITY;
  for (int i = 0; i < kRepeats; ++i) {
    c[0][0].item<float>();  // waits for the device
    const Stopwatch watch;
    at::mm_out(c, a, a);
    c[0][0].item<float>();
    best = std::min(best, watch.seconds());
  }
  return 2 * std::pow(static_cast<double>(size), 3) / best;
}

struct Gpu {
  const char* name;
  double teraflops;
};
/// A name that is part of another one comes after it.
constexpr Gpu kGpus[] = {{"B200", 2250},      {"GH200", 989.4},   {"H200 NVL", 835.5}, {"H200", 989.4},
                         {"H100 NVL", 835.5}, {"H100 PCIe", 756}, {"H100", 989.4},     {"A100", 312}};

}  // namespace

double step_flops(const Recipe& recipe, int64_t length) {
  const auto& c = recipe.model;
  const auto head = 2.0 * static_cast<double>(recipe.sequences * length * c.vocabulary * c.width);
  return 3 * (static_cast<double>(c.layers) * block_flops(c, recipe.sequences, length) + head);
}

Peak Peak::of_all(int64_t devices) const {
  const auto all = static_cast<double>(devices);
  return {measured * all, nominal ? std::optional(*nominal * all) : std::nullopt};
}

std::optional<double> nominal_bfloat16_flops(const std::string& gpu) {
  const auto found =
      std::ranges::find_if(kGpus, [&](const Gpu& one) { return gpu.find(one.name) != std::string::npos; });
  return found == std::end(kGpus) ? std::nullopt : std::optional(found->teraflops * 1e12);
}

Peak peak_of(at::Device device, bool bfloat16, int64_t threads) {
  const bool known = device.is_cuda() && bfloat16;
  return {measured_flops(device, bfloat16, threads),
          known ? nominal_bfloat16_flops(description(device)) : std::nullopt};
}

std::string throughput(const TrainedRun& run, int64_t length, const Peak& peak) {
  const auto& last = run.curve.back();
  if (last.step <= 0 || !(last.seconds > 0)) return "no step was made";
  const auto steps_a_second = static_cast<double>(last.step) / last.seconds;
  const auto tokens = steps_a_second * static_cast<double>(run.recipe.sequences * length);
  const auto flops = steps_a_second * step_flops(run.recipe, length);
  char use[96], nominal[64] = "";
  std::snprintf(use, sizeof use, " tokens/s, %.0f%% of the %.3g GFLOP/s that a matrix product reaches here (MFU)",
                100 * flops / peak.measured, peak.measured / 1e9);
  if (peak.nominal)
    std::snprintf(nominal, sizeof nominal, ", %.0f%% of the nominal %.4g", 100 * flops / *peak.nominal,
                  *peak.nominal / 1e9);
  return grouped(static_cast<int64_t>(std::min(tokens, 1e18))) + use + nominal;
}

}  // namespace replicate
