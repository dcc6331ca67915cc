// A rotated model is the same function in another basis: what it attends to and says stays, what its residual
// stream's dimensions mean does not.

#include "models/core/rotated_weights.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/core/cast_weights.h"
#include "models/core/watch.h"
#include "tests/support/compared_tensors.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

/// The small model with gains that differ from 1 and weights large enough that attention is not uniform.
class Lively : public WeightSource {
 public:
  explicit Lively(std::shared_ptr<const WeightSource> source) : source_(std::move(source)) {}

  BlockWeights block(int64_t layer) const override {
    auto w = source_->block(layer);
    for (auto* matrix : {&w.query, &w.key, &w.value, &w.output, &w.gate, &w.up, &w.down}) {
      *matrix = *matrix * 10;
    }
    w.attention_norm = gain(w.attention_norm, layer);
    w.ffn_norm = gain(w.ffn_norm, layer + 10);
    for (auto* bias : {&w.query_bias, &w.key_bias, &w.value_bias, &w.output_bias}) {
      if (bias->defined()) *bias = gain(*bias, layer + 30);
    }
    if (w.output_gate.defined()) w.output_gate = w.output_gate * 10;
    return w;
  }
  Tensor embed(const Tensor& ids) const override { return source_->embed(ids) * 10; }
  Tensor final_norm() const override { return gain(source_->final_norm(), 20); }
  Tensor head() const override { return source_->head() * 10; }

 private:
  static Tensor gain(const Tensor& ones, int64_t phase) {
    return ones + 0.5 * (at::arange(ones.numel(), at::kFloat) + phase).sin();
  }

  std::shared_ptr<const WeightSource> source_;
};

std::shared_ptr<const Model> lively_rotated_model(const ModelConfig& config = small_model()->config) {
  return std::make_shared<const Model>(
      Model{"lively", config, std::make_shared<Lively>(random_weights(config, 7, at::kCPU))});
}

std::shared_ptr<const Model> rotated(const Model& model, uint64_t seed = 3) {
  return std::make_shared<const Model>(
      Model{"rotated", model.config, rotated_weights(model.weights, model.config, seed)});
}

/// What one lane shows of a model.
struct Outputs {
  Tensor columns;   // [B, L, H, T, 2] attention to positions 0 and 5
  Tensor residual;  // [B, L + 1, T, D]
  Tensor logits;    // [B, T, V]

  explicit Outputs(std::shared_ptr<const Model> model) {
    const auto columns_of =
        watch_attention({.columns = {0, 5}}, [](const AttentionStatistics& s) { return s.columns; });
    const auto itself = [](const Tensor& x) { return x; };
    const auto stream = watch_residual(itself), end = watch(Site::logits, itself);
    const auto layers = model->config.layers;
    run({{std::move(model), random_tokens(3, 12), {}, {columns_of, stream, end}}}, {});
    columns = columns_of->layers();
    residual = stream->layers();
    logits = end->layer(layers + 1);
  }
};

TEST(RotatedWeights, KeepAttentionAndLogits) {
  const auto model = lively_rotated_model();
  const Outputs plain(model), turned(rotated(*model));
  // Not uniform, so that there is something to get wrong.
  EXPECT_GT(plain.columns.std().item<double>(), 0.05);
  EXPECT_GT(plain.logits.std().item<double>(), 0.5);
  EXPECT_LT(largest_difference(plain.columns, turned.columns), 1e-4);
  EXPECT_LT(largest_difference(plain.logits, turned.logits), 1e-4);
}

TEST(RotatedWeights, KeepWhatGatesBiasesAndNormsOfHeadsDo) {
  auto config = small_model()->config;
  config.qkv_bias = config.output_bias = config.output_gate = config.head_rms_norm = true;
  config.query_key_norm = QueryKeyNorm::heads;
  const auto model = lively_rotated_model(config);
  const Outputs plain(model), turned(rotated(*model));
  EXPECT_GT(plain.columns.std().item<double>(), 0.01);
  EXPECT_LT(largest_difference(plain.columns, turned.columns), 1e-4);
  EXPECT_LT(largest_difference(plain.logits, turned.logits), 1e-4);
}

TEST(RotatedWeights, RefuseNormsBehindAttention) {
  auto config = small_model()->config;
  config.norm_placement = NormPlacement::after;
  EXPECT_FALSE(can_be_rotated(config));
  EXPECT_THROW(rotated(*lively_rotated_model(config)), Error);
}

TEST(RotatedWeights, RotateTheResidualStream) {
  const auto model = lively_rotated_model();
  const Outputs plain(model), turned(rotated(*model));
  const auto gram = [](const Tensor& h) { return at::matmul(h, h.mT()); };  // [B, L + 1, T, T]
  EXPECT_GT(largest_difference(plain.residual, turned.residual), 0.5);
  EXPECT_LT(largest_difference(gram(plain.residual), gram(turned.residual)), 1e-4);
}

TEST(RotatedWeights, FoldEveryGain) {
  const auto model = rotated(*lively_rotated_model());
  const auto block = model->weights->block(2);
  for (const auto& gain : {block.attention_norm, block.ffn_norm, model->weights->final_norm()}) {
    EXPECT_TRUE(gain.eq(1).all().item<bool>());
  }
}

/// With every weight that such a model may have.
TEST(RotatedWeights, KeepTheTypeOfTheirSource) {
  auto config = small_model()->config;
  config.qkv_bias = config.output_bias = config.output_gate = true;
  const auto exact = Outputs(lively_rotated_model(config));
  for (const auto& [type, share] : {std::pair{at::kBFloat16, 0.05}, std::pair{at::kHalf, 0.01}}) {
    auto model = *lively_rotated_model(config);
    model.weights = cast_weights(model.weights, type);
    const auto turned = rotated(model);
    const auto block = turned->weights->block(2);
    for (const auto& [weight, shape] : block_weights(config)) {
      const bool gain = weight == &BlockWeights::attention_norm || weight == &BlockWeights::ffn_norm;
      EXPECT_EQ((block.*weight).scalar_type(), gain ? at::kFloat : type);
    }
    const Outputs seen(turned);
    EXPECT_LT(largest_difference(seen.columns, exact.columns), share) << type;
    EXPECT_LT(largest_difference(seen.logits, exact.logits), share * exact.logits.abs().max().item<double>()) << type;
  }
}

TEST(RotatedWeights, AreTheSameForTheSameSeed) {
  const auto model = lively_rotated_model();
  const auto query = [&](uint64_t seed) { return rotated(*model, seed)->weights->block(1).query; };
  EXPECT_TRUE(query(3).equal(query(3)));
  EXPECT_GT(largest_difference(query(3), query(4)), 0.01);
}

}  // namespace
}  // namespace replicate
