// Attention with statistics alone, in SmolLM2's shape: against LibTorch's fused attention, which gives none, and
// against its plain twin, which holds the scores of a block of queries. Run through scripts/bench.

#include <benchmark/benchmark.h>

#include "models/core/attention.h"

namespace replicate {
namespace {

constexpr int64_t kHeads = 9, kKeyValueHeads = 3, kWidth = 64;
const AttentionSpec kSpec{.scale = 0.125};
const AttentionNeeds kNothing, kColumn{.columns = {0}}, kEverything{{0, 10}, {}, true, true, true, true};

struct Inputs {
  Tensor q, k, v;  // [B, H or G, T, K]
};

Inputs inputs(const benchmark::State& state) {
  auto generator = at::detail::createCPUGenerator();
  const auto heads = [&](int64_t n) {
    return at::normal(0, 1, {state.range(0), n, state.range(1), kWidth}, generator);
  };
  return {heads(kHeads), heads(kKeyValueHeads), heads(kKeyValueHeads)};
}

/// Both matrix products over the causal triangle.
void set_rate(benchmark::State& state) {
  const auto pairs = static_cast<double>(state.range(0) * state.range(1) * (state.range(1) + 1) / 2);
  state.counters["FLOP/s"] =
      benchmark::Counter(4 * pairs * kHeads * kWidth, benchmark::Counter::kIsIterationInvariantRate);
}

template <typename Attend>
void time_attention(benchmark::State& state, const Attend& attend) {
  const c10::InferenceMode guard;
  const auto in = inputs(state);
  for (auto _ : state) benchmark::DoNotOptimize(attend(in));
  set_rate(state);
}

void fused(benchmark::State& state) {
  time_attention(state, [](const Inputs& in) {
    return at::scaled_dot_product_attention(in.q, in.k, in.v, {}, 0, true, kSpec.scale, /*enable_gqa=*/true);
  });
}

void attention(benchmark::State& state, const AttentionNeeds& needs) {
  time_attention(state, [&](const Inputs& in) { return attend(in.q, in.k, in.v, kSpec, needs).output; });
}

void plain_twin(benchmark::State& state, const AttentionNeeds& needs) {
  time_attention(state, [&](const Inputs& in) { return attend_plain(in.q, in.k, in.v, kSpec, needs).output; });
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->Args({4, 256})
      ->Args({1, 1024})
      ->Args({1, 2048})
      ->Args({1, 4096})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}
BENCHMARK(fused)->Apply(shapes);
BENCHMARK_CAPTURE(attention, no_statistics, kNothing)->Apply(shapes);
BENCHMARK_CAPTURE(attention, one_column, kColumn)->Apply(shapes);
BENCHMARK_CAPTURE(attention, every_statistic, kEverything)->Apply(shapes);
BENCHMARK_CAPTURE(plain_twin, every_statistic, kEverything)->Apply(shapes);

}  // namespace
}  // namespace replicate
