// Training against plain PyTorch: the same weights, batches and recipe must give the same losses, step by step. The
// golden files are made by tests/reference/training_reference.py, which contains none of this project's code.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "models/formats/safetensors.h"
#include "models/training/trainer.h"
#include "tests/support/assets.h"

namespace replicate {
namespace {

using nlohmann::json;

std::filesystem::path parity_golden() { return source_folder() / "tests/golden/training"; }

json golden_run(const std::string& name) {
  std::ifstream file(parity_golden() / (name + ".json"));
  return json::parse(file);
}

/// splitmix64's output function on the indices folded into one number, as the reference has it.
uint64_t mixed(uint64_t seed, std::initializer_list<int64_t> indices) {
  uint64_t z = seed;
  for (const auto index : indices) z = z * 1000003 + static_cast<uint64_t>(index);
  z += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

/// A chain with three equally likely successors of every id.
class ChainData : public TrainingData {
 public:
  ChainData(int64_t vocabulary, int64_t length) : vocabulary_(vocabulary), length_(length) {}

  int64_t vocabulary() const override { return vocabulary_; }
  int64_t length() const override { return length_; }
  Batch validation(int64_t first, int64_t sequences) const override { return batch(0, -1 - first, sequences); }
  int64_t validation_size() const override { return 1 << 20; }
  std::optional<int64_t> bos() const override { return {}; }
  std::optional<int64_t> bos_token() const override { return {}; }
  std::string fingerprint() const override { return "chain"; }

  Batch batch(uint64_t seed, int64_t step, int64_t sequences) const override {
    const auto ids = at::empty({sequences, length_ + 1}, at::kLong);
    auto* next = ids.mutable_data_ptr<int64_t>();
    for (int64_t row = 0; row < sequences; ++row) {
      *next++ = below(mixed(seed, {step, row, 0}), vocabulary_);
      for (int64_t t = 1; t <= length_; ++t, ++next) {
        *next = (7 * next[-1] + 3 + below(mixed(seed, {step, row, t}), 3)) % vocabulary_;
      }
    }
    return {ids.slice(1, 0, length_).contiguous(), ids.slice(1, 1).contiguous()};
  }

 private:
  static int64_t below(uint64_t number, int64_t bound) {
    return static_cast<int64_t>(number % static_cast<uint64_t>(bound));
  }

  int64_t vocabulary_, length_;
};

Recipe recipe_of(const json& run) {
  const auto &shape = run["shape"], &r = run["recipe"];
  return {.model = {.layers = shape["layers"],
                    .width = shape["width"],
                    .heads = shape["heads"],
                    .kv_heads = shape["kv_heads"],
                    .head_width = shape["head_width"],
                    .hidden = shape["hidden"],
                    .vocabulary = shape["vocabulary"],
                    .context = run["batch"]["length"],
                    .norm_eps = r["norm_eps"],
                    .rope = {.theta = r["rope_theta"]},
                    .tied_head = shape["tied_head"]},
          .arm = r["arm"],
          .seed = run["batch"]["seed"],
          .weight_seed = run["batch"]["seed"],
          .learning_rate = r["learning_rate"],
          .schedule = {.steps = r["steps"], .warmup = r["warmup"], .decay = r["decay"]},
          .sequences = run["batch"]["sequences"],
          .weight_decay = r["weight_decay"],
          .beta1 = r["beta1"],
          .beta2 = r["beta2"],
          .eps = r["eps"],
          .clip = r["clip"]};
}

Tensor tensor_of(const SafetensorsFile& file, const std::string& name) {
  const auto& stored = file.tensor(name);
  const auto tensor = at::empty(stored.shape, at::kFloat);
  TORCH_CHECK(stored.bytes.size() == tensor.nbytes(), name, " is not float32");
  std::memcpy(tensor.mutable_data_ptr(), stored.bytes.data(), stored.bytes.size());
  return tensor;
}

/// Everything a run starts from is a tensor that the model shares, so that it can be overwritten in place.
void start_from(const TrainableModel& model, const SafetensorsFile& initial) {
  const c10::NoGradGuard no_grad;
  for (const auto& parameter : model.parameters().shapes()) {
    const auto& leaf = model.parameters().at(parameter.name);
    leaf.copy_(tensor_of(initial, parameter.name));
  }
  for (int64_t layer = 1; model.arm().dense_down && layer <= model.config().layers; ++layer) {
    const auto free = tensor_of(initial, "model.layers." + std::to_string(layer - 1) + ".mlp.down_proj.weight");
    model.down_signs(layer).copy_(at::where(free < 0, -1.0, 1.0));
  }
  if (model.arm().constant_gain) model.head_constants().copy_(tensor_of(initial, "head_constants"));
}

class TrainingParity : public testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  void SetUp() override {
    const auto kv = "kv" + std::to_string(std::get<1>(GetParam()));
    run_ = golden_run(std::get<0>(GetParam()) + "_" + kv);
    const auto recipe = recipe_of(run_);
    data_ = std::make_shared<ChainData>(recipe.model.vocabulary, recipe.model.context);
    trainer_ = std::make_unique<Trainer>(recipe, data_, at::kCPU);
    start_from(trainer_->model(), SafetensorsFile::open(parity_golden() / ("initial_" + kv + ".safetensors")));
  }

  /// Norm and sum of a weight, and some of its elements. AdamW's steps are as long for a gradient of rounding errors
  /// as for any other, so that single elements may agree less well than losses.
  void expect_final_weight(const std::string& name, const json& theirs) const {
    const auto flat = trainer_->model().parameters().at(name).detach().flatten().to(at::kDouble);
    const double norm = theirs["norm"], typical = norm / std::sqrt(static_cast<double>(flat.numel()));
    EXPECT_NEAR(flat.norm().item<double>(), norm, 1e-3 * norm) << name;
    EXPECT_NEAR(flat.sum().item<double>(), theirs["sum"], 1e-2 * norm) << name;
    const int64_t stride = theirs["stride"];
    for (size_t i = 0; i < theirs["elements"].size(); ++i) {
      const auto ours = flat[static_cast<int64_t>(i) * stride].item<double>();
      EXPECT_NEAR(ours, theirs["elements"][i], 1e-2 * typical) << name << " " << i;
    }
  }

  json run_;
  std::shared_ptr<const ChainData> data_;
  std::unique_ptr<Trainer> trainer_;
};

TEST_P(TrainingParity, EveryLossWithin1e3) {
  const auto first = data_->batch(run_["batch"]["seed"], 0, run_["batch"]["sequences"]).inputs[0];
  for (size_t t = 0; t < run_["first_ids"].size(); ++t) {
    ASSERT_EQ(first[static_cast<int64_t>(t)].item<int64_t>(), run_["first_ids"][t]);
  }
  double largest = 0;
  for (const double theirs : run_["losses"]) {
    trainer_->step();
    const double ours = trainer_->report().loss;
    ASSERT_NEAR(ours, theirs, 1e-3 * theirs) << "step " << trainer_->steps_done();
    largest = std::max(largest, std::abs(ours - theirs) / theirs);
  }
  EXPECT_EQ(trainer_->steps_done(), 200);
  RecordProperty("largest_relative_difference_in_1e9", static_cast<int>(largest * 1e9));
  EXPECT_EQ(run_["final"].size(), trainer_->model().parameters().shapes().size());
  for (const auto& [name, theirs] : run_["final"].items()) expect_final_weight(name, theirs);
}

INSTANTIATE_TEST_SUITE_P(Training, TrainingParity,
                         testing::Combine(testing::ValuesIn(arm_names()), testing::Values(2, 4)), [](const auto& info) {
                           return std::get<0>(info.param) + "_kv" + std::to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace replicate
