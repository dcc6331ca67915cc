// Every CUDA kernel beside its twin of plain LibTorch operations on the same GPU, in the shapes of a model of D = 2048: bytes
// that must be moved at least, or operations of the causal triangle, a second. Run through scripts/bench.

#include <benchmark/benchmark.h>
#include <c10/cuda/CUDAFunctions.h>

#include "models/block.h"
#include "models/cuda_glue.h"

namespace replicate {
namespace {

constexpr int64_t kSequences = 8, kLength = 2048, kRows = kSequences * kLength;
constexpr int64_t kWidth = 2048, kHeads = 32, kKeyValueHeads = 8, kHeadWidth = 64, kHidden = 5632, kIds = 49152;
const AttentionSpec kSpec{.scale = 0.125};
const AttentionNeeds kNothing, kRowSums{.entropy = true, .sum_squares = true}, kEverything{{0, 10}, {}, true, true, true, true};

Tensor normal(at::IntArrayRef shape, at::ScalarType type = at::kBFloat16) {
  return at::randn(shape, at::TensorOptions(at::kCUDA).dtype(type));
}

/// Runs until the GPU is done, every time.
template <typename Run>
void time_on_gpu(benchmark::State& state, const Run& run) {
  if (!at::hasCUDA()) return state.SkipWithError("no CUDA device on this machine");
  run();
  c10::cuda::device_synchronize();
  for (auto _ : state) {
    run();
    c10::cuda::device_synchronize();
  }
}

void set_rate(benchmark::State& state, const char* name, double amount) {
  state.counters[name] = benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
}

void set_elements_moved(benchmark::State& state, double count) { set_rate(state, "bytes/s", count * 2); }

/// Two products over the causal triangle, three where attention received is asked for.
void set_attention_rate(benchmark::State& state, int products) {
  const double pairs = static_cast<double>(kLength) * (kLength + 1) / 2;
  set_rate(state, "FLOP/s", 2.0 * products * pairs * kSequences * kHeads * kHeadWidth);
}

template <typename Attend>
void time_attention(benchmark::State& state, at::ScalarType type, const Attend& attend, int products) {
  const c10::InferenceMode guard;
  const auto heads = [&](int64_t n) { return normal({kSequences, n, kLength, kHeadWidth}, type); };
  const auto q = at::hasCUDA() ? heads(kHeads) : Tensor(), k = at::hasCUDA() ? heads(kKeyValueHeads) : Tensor();
  time_on_gpu(state, [&] { benchmark::DoNotOptimize(attend(q, k, k)); });
  set_attention_rate(state, products);
}

void attention(benchmark::State& state, at::ScalarType type, const AttentionNeeds& needs) {
  time_attention(state, type, [&](const auto& q, const auto& k, const auto& v) { return attend_cuda(q, k, v, kSpec, needs); },
                 needs.received ? 3 : 2);
}
BENCHMARK_CAPTURE(attention, bfloat16_no_statistics, at::kBFloat16, kNothing)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(attention, bfloat16_row_sums, at::kBFloat16, kRowSums)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(attention, bfloat16_everything, at::kBFloat16, kEverything)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(attention, float32_everything, at::kFloat, kEverything)->Unit(benchmark::kMillisecond)->UseRealTime();

void plain_attention(benchmark::State& state, at::ScalarType type, const AttentionNeeds& needs) {
  const auto plain = [&](const auto& q, const auto& k, const auto& v) { return attend_plain(q, k, v, kSpec, needs); };
  time_attention(state, type, plain, 2);
}
BENCHMARK_CAPTURE(plain_attention, bfloat16_everything, at::kBFloat16, kEverything)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(plain_attention, float32_everything, at::kFloat, kEverything)->Unit(benchmark::kMillisecond)->UseRealTime();

void library_attention(benchmark::State& state) {  // gives no statistics
  const auto fused = [](const auto& q, const auto& k, const auto& v) {
    return at::scaled_dot_product_attention(q, k, v, {}, 0, true, kSpec.scale, /*enable_gqa=*/true);
  };
  time_attention(state, at::kBFloat16, fused, 2);
}
BENCHMARK(library_attention)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Forward and backward of y = f(leaves), whose gradient is dy; `elements` are read and written at least.
template <typename Function>
void time_both_ways(benchmark::State& state, const std::vector<std::vector<int64_t>>& shapes, double elements,
                    const Function& f) {
  std::vector<Tensor> leaves;
  if (at::hasCUDA()) {
    for (const auto& shape : shapes) leaves.push_back(normal(shape).requires_grad_(true));
  }
  Tensor dy;
  time_on_gpu(state, [&] {
    for (auto& leaf : leaves) leaf.mutable_grad().reset();
    const auto y = f(leaves);
    if (!dy.defined()) dy = at::ones_like(y);
    y.backward(dy);
  });
  set_elements_moved(state, elements);
}

template <typename Norm>
void time_norm(benchmark::State& state, int64_t rows, int64_t width, const Norm& norm) {
  const auto gain = at::hasCUDA() ? normal({width}, at::kFloat).requires_grad_(true) : Tensor();
  time_both_ways(state, {{rows, width}}, 5.0 * static_cast<double>(rows * width),
                 [&](const auto& in) { return norm(in[0], gain); });
}

Tensor plain_rms_norm(const Tensor& x, const Tensor& gain) {
  const auto wide = widened(x);
  return (wide * at::rsqrt(wide.square().mean(-1, true) + 1e-6) * gain).to(x.scalar_type());
}

void rms_norm_kernel(benchmark::State& state, int64_t rows, int64_t width) {
  time_norm(state, rows, width, [](const auto& x, const auto& gain) { return cuda_rms_norm(x, gain, 1e-6, at::kBFloat16); });
}
BENCHMARK_CAPTURE(rms_norm_kernel, heads, kRows * kHeads, kHeadWidth)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK_CAPTURE(rms_norm_kernel, rows, kRows, kWidth)->Unit(benchmark::kMicrosecond)->UseRealTime();

void rms_norm_plain(benchmark::State& state, int64_t rows, int64_t width) { time_norm(state, rows, width, plain_rms_norm); }
BENCHMARK_CAPTURE(rms_norm_plain, heads, kRows * kHeads, kHeadWidth)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK_CAPTURE(rms_norm_plain, rows, kRows, kWidth)->Unit(benchmark::kMicrosecond)->UseRealTime();

constexpr double kHiddenMoved = 8.0 * kRows * kHidden;  // 3 forward, 5 backward

void swiglu_kernel(benchmark::State& state) {
  time_both_ways(state, {{kRows, kHidden}, {kRows, kHidden}}, kHiddenMoved,
                 [](const auto& in) { return fused_swiglu(in[0], in[1]); });
}
BENCHMARK(swiglu_kernel)->Unit(benchmark::kMicrosecond)->UseRealTime();

void swiglu_plain(benchmark::State& state) {
  time_both_ways(state, {{kRows, kHidden}, {kRows, kHidden}}, kHiddenMoved,
                 [](const auto& in) { return at::silu(in[0]) * in[1]; });
}
BENCHMARK(swiglu_plain)->Unit(benchmark::kMicrosecond)->UseRealTime();

template <typename Turn>
void time_rotary(benchmark::State& state, const Turn& turn) {
  const auto angle = at::hasCUDA() ? normal({kLength, kHeadWidth / 2}, at::kFloat).repeat({1, 2}) : Tensor();
  const auto cosine = at::hasCUDA() ? angle.cos() : Tensor(), sine = at::hasCUDA() ? angle.sin() : Tensor();
  time_both_ways(state, {{kSequences, kLength, kHeads, kHeadWidth}}, 4.0 * kRows * kHeads * kHeadWidth,
                 [&](const auto& in) { return turn(in[0].transpose(1, 2), cosine, sine); });
}

void rotary_kernel(benchmark::State& state) { time_rotary(state, fused_rotary); }
BENCHMARK(rotary_kernel)->Unit(benchmark::kMicrosecond)->UseRealTime();

void rotary_plain(benchmark::State& state) {
  time_rotary(state, [](const Tensor& x, const Tensor& cosine, const Tensor& sine) {
    const auto halves = x.chunk(2, -1);
    return (x * cosine + at::cat({-halves[1], halves[0]}, -1) * sine).to(x.scalar_type());
  });
}
BENCHMARK(rotary_plain)->Unit(benchmark::kMicrosecond)->UseRealTime();

template <typename Loss>
void time_loss(benchmark::State& state, const Loss& loss) {
  const auto targets = at::hasCUDA() ? at::randint(kIds, {kRows}, at::TensorOptions(at::kCUDA).dtype(at::kLong)) : Tensor();
  time_both_ways(state, {{kRows, kIds}}, 3.0 * kRows * kIds, [&](const auto& in) { return loss(in[0], targets); });
}

void cross_entropy_kernel(benchmark::State& state) {  // the leaf's own gradient takes its place, which does not change the time
  time_loss(state, cuda_cross_entropy);
}
BENCHMARK(cross_entropy_kernel)->Unit(benchmark::kMillisecond)->UseRealTime();

void cross_entropy_plain(benchmark::State& state) {
  time_loss(state, [](const Tensor& logits, const Tensor& targets) { return at::cross_entropy_loss(widened(logits), targets); });
}
BENCHMARK(cross_entropy_plain)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace replicate
