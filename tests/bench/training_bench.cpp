// What one optimiser step costs: forward, backward, clipping, AdamW. scripts/bench race runs it beside PyTorch
// (peers/pytorch_training.py) on the same shapes and threads.

#include <benchmark/benchmark.h>

#include "models/training/trainer.h"

namespace replicate {
namespace {

struct Shape {
  const char* name;
  ModelConfig model;
  int64_t sequences;
};

/// The same two as in peers/pytorch_training.py.
const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {
      {"1.3M",
       {.layers = 4, .width = 128, .heads = 4, .kv_heads = 4, .head_width = 32, .hidden = 384, .vocabulary = 1024,
        .context = 64, .rope = {}},
       16},
      {"10M",
       {.layers = 6, .width = 320, .heads = 5, .kv_heads = 5, .head_width = 64, .hidden = 864, .vocabulary = 4096,
        .context = 128, .rope = {}},
       8}};
  return all;
}

/// Always the same random batch: making batches is not what is timed.
class OneBatch : public TrainingData {
 public:
  OneBatch(const ModelConfig& model, int64_t sequences) : vocabulary_(model.vocabulary), length_(model.context) {
    auto generator = at::detail::createCPUGenerator();
    const auto ids = at::randint(0, vocabulary_, {sequences, length_ + 1}, generator, at::kLong);
    batch_ = {ids.slice(1, 0, length_).contiguous(), ids.slice(1, 1).contiguous()};
  }
  int64_t vocabulary() const override { return vocabulary_; }
  int64_t length() const override { return length_; }
  Batch batch(uint64_t, int64_t, int64_t) const override { return batch_; }
  Batch validation(int64_t, int64_t) const override { return batch_; }
  int64_t validation_size() const override { return 0; }
  std::optional<int64_t> bos() const override { return {}; }
  std::optional<int64_t> bos_token() const override { return {}; }
  std::string fingerprint() const override { return "one batch"; }

 private:
  int64_t vocabulary_, length_;
  Batch batch_;
};

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
