// What comes before the first product: opening a model, decoding quantised weights, turning text into ids. Rates are of
// bytes read. Run through scripts/bench.

#include <benchmark/benchmark.h>

#include <fstream>
#include <random>

#include "harness/inputs/loading.h"
#include "models/formats/gguf.h"
#include "models/formats/quantization.h"
#include "tests/support/assets.h"

namespace replicate {
namespace {

ModelSettings smollm2() {
  ModelSettings settings;
  settings.name = "smollm2";
  settings.file = model_file();
  return settings;
}

void open_model(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(load_model(smollm2(), "float32", 1, at::kCPU));
}
BENCHMARK(open_model)->Unit(benchmark::kMillisecond)->UseRealTime();

/// All weights of one layer, as every pass decodes them; the rate is of float32 values.
void decode_layer(benchmark::State& state) {
  const auto loaded = load_model(smollm2(), "float32", 1, at::kCPU);
  for (auto _ : state) benchmark::DoNotOptimize(loaded.model->weights->block(1));
  int64_t numbers = 0;
  for (const auto& [weight, shape] : block_weights(loaded.model->config)) numbers += c10::multiply_integers(shape);
  state.SetItemsProcessed(state.iterations() * numbers);
}
BENCHMARK(decode_layer)->Unit(benchmark::kMillisecond)->UseRealTime();

void decode(benchmark::State& state, TensorType type) {
  constexpr int64_t kNumbers = 1 << 20;
  std::vector<std::byte> bytes(kNumbers / block_elements(type) * block_bytes(type));
  std::minstd_rand random(1);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random() & 0x3f);  // scales stay finite
  std::vector<float> numbers(kNumbers);
  for (auto _ : state) {
    dequantize(type, bytes, numbers);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kNumbers);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}

/// The first million bytes of the prose, one thread.
void tokenize(benchmark::State& state) {
  const auto tokenizer = load_model(smollm2(), "float32", 1, at::kCPU).tokenizer;
  std::ifstream in(assets_folder() / "prose/shakespeare.txt", std::ios::binary);
  std::string text(1'000'000, ' ');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in) return state.SkipWithError("no prose: run scripts/setup");
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(text));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(tokenize)->Unit(benchmark::kMillisecond);

const bool registered = [] {
  for (const auto type : tensor_types()) {
    benchmark::RegisterBenchmark(("decode/" + std::string(type_name(type))).c_str(), [type](benchmark::State& state) {
      decode(state, type);
    })->Unit(benchmark::kMicrosecond);
  }
  return true;
}();

}  // namespace
}  // namespace replicate
