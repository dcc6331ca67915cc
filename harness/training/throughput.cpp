#include "harness/training/throughput.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

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

}  // namespace

double step_flops(const Recipe& recipe, int64_t length) {
  const auto& c = recipe.model;
  const auto head = 2.0 * static_cast<double>(recipe.sequences * length * c.vocabulary * c.width);
  return 3 * (static_cast<double>(c.layers) * block_flops(c, recipe.sequences, length) + head);
}

double matrix_product_flops(at::Device device, bool bfloat16, int64_t threads) {
  using clock = std::chrono::steady_clock;
  const ThreadsOfARun guard(threads);
  const auto size = device.is_cpu() ? kProcessorSize : kDeviceSize;
  const auto options = at::TensorOptions().device(device).dtype(bfloat16 ? at::kBFloat16 : at::kFloat);
  const auto a = at::ones({size, size}, options);
  auto c = at::mm(a, a);
  double best = INFINITY;
  for (int i = 0; i < kRepeats; ++i) {
    c[0][0].item<float>();  // waits for the device
    const auto start = clock::now();
    at::mm_out(c, a, a);
    c[0][0].item<float>();
    best = std::min(best, std::chrono::duration<double>(clock::now() - start).count());
  }
  return 2 * std::pow(static_cast<double>(size), 3) / best;
}

std::string throughput(const TrainedRun& run, int64_t length, double peak) {
  const auto& last = run.curve.back();
  if (last.step == 0) return "no step was made";
  const auto steps_a_second = static_cast<double>(last.step) / last.seconds;
  const auto tokens = steps_a_second * static_cast<double>(run.recipe.sequences * length);
  char use[96];
  std::snprintf(use, sizeof use, " tokens/s, %.0f%% of the %.3g GFLOP/s that a matrix product reaches here (MFU)",
                100 * steps_a_second * step_flops(run.recipe, length) / peak, peak / 1e9);
  return grouped(static_cast<int64_t>(tokens)) + use;
}

}  // namespace replicate
