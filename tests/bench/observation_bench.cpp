// What looking costs: a forward pass that collects sink_onset's statistics in every layer, against the same
// forward with LibTorch's fused attention and no statistics, same weights, tokens and threads, no logits on
// either side. Run through scripts/bench, which interleaves the two.

#include <benchmark/benchmark.h>

#include "harness/inputs/loading.h"
#include "harness/study/measures/sink_probes.h"
#include "tests/bench/fused_block.h"
#include "tests/support/assets.h"

namespace replicate {
namespace {

/// Another model than SmolLM2 is named by its path in REPLICATE_BENCH_MODEL, as race.py --models does.
const Model& model() {
  static const LoadedModel loaded = [] {
    const char* other = std::getenv("REPLICATE_BENCH_MODEL");
    ModelSettings settings;
    settings.file = other ? std::filesystem::path(other) : model_file();
    settings.name = settings.file.stem().string();
    return load_model(settings, "float32", 1, at::kCPU);
  }();
  return *loaded.model;
}

std::shared_ptr<const Model> shared_model() {
  return {&model(), [](const Model*) {}};
}

Tokens tokens(int64_t sequences, int64_t length) {
  auto generator = at::detail::createCPUGenerator();
  return make_tokens(at::randint(0, model().config.vocabulary, {sequences, length}, generator, at::kLong));
}

void set_rate(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}

void fused_forward(benchmark::State& state) {
  const c10::InferenceMode guard;
  const auto ids = tokens(state.range(0), state.range(1));
  const auto rotary = positions_of(model().config, state.range(1), at::kCPU).front();
  for (auto _ : state) {
    auto x = model().weights->embed(ids->ids);
    for (int64_t layer = 1; layer <= state.range(2); ++layer) {
      x = fused_block(model().config, model().weights->block(layer), rotary, x);
    }
    benchmark::DoNotOptimize(x);
  }
  set_rate(state);
}

/// Asks for the output of one layer, so that all before it run, and does nothing with it.
class Output : public Probe {
 public:
  explicit Output(int64_t layer) : layer_(layer) {}
  ProbeNeeds needs(int64_t layer, int64_t) const override {
    return layer == layer_ ? ProbeNeeds{{Site::block_output}} : ProbeNeeds{};
  }

 private:
  int64_t layer_;
};

/// 0 stands for all.
int64_t layers_of(const benchmark::State& state) {
  return state.range(2) == 0 ? model().config.layers : state.range(2);
}

/// Only what a probe wants of the first layers.
class Upto : public Probe {
 public:
  Upto(int64_t last, std::shared_ptr<Probe> probe) : last_(last), probe_(std::move(probe)) {}
  ProbeNeeds needs(int64_t layer, int64_t) const override {
    return layer <= last_ ? probe_->needs(layer, last_) : ProbeNeeds{};
  }
  void observe(const Place& place, Site site, const Tensor& value) override { probe_->observe(place, site, value); }
  void observe_attention(const Place& place, const AttentionStatistics& s) override {
    probe_->observe_attention(place, s);
  }
  void finish_layer(int64_t layer) override { probe_->finish_layer(layer); }

 private:
  int64_t last_;
  std::shared_ptr<Probe> probe_;
};

/// The executor's own forward, nothing observed.
void plain_forward(benchmark::State& state) {
  const auto ids = tokens(state.range(0), state.range(1));
  for (auto _ : state) run({{shared_model(), ids, {}, {std::make_shared<Output>(state.range(2))}}}, {});
  set_rate(state);
}

void observed_forward(benchmark::State& state) {
  const auto ids = tokens(state.range(0), state.range(1));
  const auto upto = [&](std::shared_ptr<Probe> probe) {
    return std::make_shared<Upto>(layers_of(state), std::move(probe));
  };
  for (auto _ : state) run({{shared_model(), ids, {}, {upto(watch_columns({0})), upto(watch_norms())}}}, {});
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
  bench->Args({4, 256, 30})->Args({1, 1024, 30})->Args({1, 2048, 30})->Unit(benchmark::kMillisecond)->UseRealTime();
}

/// The other points of race.py's curves.
void curves(benchmark::internal::Benchmark* bench) {
  for (const int64_t length : {128, 256, 512}) bench->Args({1, length, 30});
  for (const int64_t sequences : {2, 8}) bench->Args({sequences, 256, 30});
  for (const int64_t layers : {5, 10, 20}) bench->Args({1, 512, layers});
  for (const int64_t length : {128, 256, 512, 1024}) bench->Args({1, length, 0});
  bench->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(fused_forward)->Apply(shapes);
BENCHMARK(plain_forward)->Apply(shapes);
BENCHMARK(observed_forward)->Apply(shapes);
BENCHMARK(observed_forward)->Apply(curves);
BENCHMARK(fully_observed_forward)->Apply(shapes);

}  // namespace
}  // namespace replicate
