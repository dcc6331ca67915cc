// What one optimiser step costs: forward, backward, clipping, AdamW. scripts/bench race runs it beside PyTorch
// (peers/pytorch_training.py) on the same shapes and threads.

#include <benchmark/benchmark.h>

#include "models/training/trainer.h"
#include "tests/bench/one_batch.h"

namespace replicate {
namespace {

struct Shape {
  const char* name;
  ModelConfig model;
  int64_t sequences;
};

/// The same two as in peers/pytorch_training.py.
const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {{"1.3M",
                                          {.layers = 4,
                                           .width = 128,
                                           .heads = 4,
                                           .kv_heads = 4,
                                           .head_width = 32,
                                           .hidden = 384,
                                           .vocabulary = 1024,
                                           .context = 64,
                                           .rope = {}},
                                          16},
                                         {"10M",
                                          {.layers = 6,
                                           .width = 320,
                                           .heads = 5,
                                           .kv_heads = 5,
                                           .head_width = 64,
                                           .hidden = 864,
                                           .vocabulary = 4096,
                                           .context = 128,
                                           .rope = {}},
                                          8}};
  return all;
}

void training_step(benchmark::State& state, const Shape& shape, const std::string& arm) {
  const Recipe recipe{.model = shape.model, .arm = arm, .schedule = {.steps = 1 << 30}, .sequences = shape.sequences};
  Trainer trainer(recipe, std::make_shared<OneBatch>(shape.model, shape.sequences), at::kCPU);
  for (int warm = 0; warm < 3; ++warm) trainer.step();
  for (auto _ : state) trainer.step();
  state.SetItemsProcessed(state.iterations() * shape.sequences * shape.model.context);
}

const bool registered = [] {
  for (const auto& shape : shapes()) {
    for (const auto& arm : arm_names()) {
      benchmark::RegisterBenchmark(("training_step/" + std::string(shape.name) + "/" + arm).c_str(),
                                   [&shape, arm](benchmark::State& state) { training_step(state, shape, arm); })
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
  return true;
}();

}  // namespace
}  // namespace replicate
