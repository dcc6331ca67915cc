// What looking costs: a forward pass that collects sink_onset's statistics in every layer, against the same
// forward with LibTorch's fused attention and no statistics, same weights, tokens and threads, no logits on
// either side. Run through scripts/bench, which interleaves the two.

#include <benchmark/benchmark.h>

#include "harness/loading.h"
#include "harness/probes/sink_probes.h"
#include "tests/assets.h"

namespace replicate {
namespace {

const Model& model() {
  static const LoadedModel loaded = [] {
    ModelSettings settings;
    settings.name = "smollm2";
    settings.file = model_file();
    return load_model(settings, "float32", 1, at::kCPU);
  }();
  return *loaded.model;
}

std::shared_ptr<const Model> shared_model() { return {&model(), [](const Model*) {}}; }

Tokens tokens(int64_t sequences, int64_t length) {
  auto generator = at::detail::createCPUGenerator();
  return std::make_shared<const Tensor>(
      at::randint(0, model().config.vocabulary, {sequences, length}, generator, at::kLong));
}

Tensor rotated(const Tensor& x, const Positions& rotary) {
  const auto halves = x.chunk(2, -1);
  return x * rotary.cosine + at::cat({-halves[1], halves[0]}, -1) * rotary.sine;
}

/// A block as one would write it with LibTorch's fused attention.
Tensor fused_block(const ModelConfig& c, const BlockWeights& w, const Positions& rotary,
                   const Tensor& x) {
  const auto normed = rms_norm(x, w.attention_norm, c.norm_eps);
  const auto heads = [&](const Tensor& weight) {
    return at::linear(normed, weight).unflatten(-1, {-1, c.head_width}).transpose(1, 2);
  };
  const auto attended = at::scaled_dot_product_attention(
      rotated(heads(w.query), rotary), rotated(heads(w.key), rotary), heads(w.value), {}, 0, true,
      std::nullopt, /*enable_gqa=*/true);
  const auto mid = x + at::linear(attended.transpose(1, 2).flatten(2), w.output);
  const auto h = rms_norm(mid, w.ffn_norm, c.norm_eps);
  return mid + at::linear(at::silu(at::linear(h, w.gate)) * at::linear(h, w.up), w.down);
}

void set_rate(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}

void fused_forward(benchmark::State& state) {
  const c10::InferenceMode guard;
  const auto ids = tokens(state.range(0), state.range(1));
  const auto rotary = positions_of(model().config, state.range(1), at::kCPU).front();
  for (auto _ : state) {
    auto x = model().weights->embed(*ids);
    for (int64_t layer = 1; layer <= model().config.layers; ++layer) {
      x = fused_block(model().config, model().weights->block(layer), rotary, x);
    }
    benchmark::DoNotOptimize(x);
  }
  set_rate(state);
}

/// Asks for the last layer's output, so that every layer runs, and does nothing with it.
class LastOutput : public Probe {
 public:
  ProbeNeeds needs(int64_t layer, int64_t layers) const override {
    return layer == layers ? ProbeNeeds{{Site::block_output}} : ProbeNeeds{};
  }
};

/// The executor's own forward, nothing observed.
void plain_forward(benchmark::State& state) {
  const auto ids = tokens(state.range(0), state.range(1));
  for (auto _ : state) run({{shared_model(), ids, {}, {std::make_shared<LastOutput>()}}}, {});
  set_rate(state);
}

void observed_forward(benchmark::State& state) {
  const auto ids = tokens(state.range(0), state.range(1));
  for (auto _ : state) {
    run({{shared_model(), ids, {}, {watch_columns({0}), watch_norms()}}}, {});
  }
  set_rate(state);
}

/// Every statistic that attention can give, in every layer.
void fully_observed_forward(benchmark::State& state) {
  const auto ids = tokens(state.range(0), state.range(1));
  const auto all = [](const AttentionStatistics& s) { return s.received.mean(); };
  for (auto _ : state) {
    const AttentionNeeds needs{{0, 10}, {}, true, true, true};
    run({{shared_model(), ids, {}, {watch_attention(needs, [&](const auto& s) { return all(s).view({1}); })}}}, {});
  }
  set_rate(state);
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->Args({4, 256})->Args({1, 1024})->Args({1, 2048})->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(fused_forward)->Apply(shapes);
BENCHMARK(plain_forward)->Apply(shapes);
BENCHMARK(observed_forward)->Apply(shapes);
BENCHMARK(fully_observed_forward)->Apply(shapes);

}  // namespace
}  // namespace replicate

BENCHMARK_MAIN();
