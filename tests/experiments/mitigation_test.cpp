// The claims that an arm has less of a sink than the baseline, on training that never took place.

#include <gtest/gtest.h>

#include "tests/support/made_up_training.h"

namespace replicate {
namespace {

TrainingTrial of_norm(const TrainingResults& results) {
  return judged("sink_mitigation", results, {"validation.sequences=8", "over_training.sequences=4"});
}

TEST(SinkMitigation, PassesWhereThePlantedSinkIsGone) {
  const auto trial = of_norm(planted_training());
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.value("baseline_seeds_with_sink"), 10);
  EXPECT_NEAR(
      trial.value("excess_beyond_share"),
      trial.value("largest_excess_attention_head_rms_norm") - 0.5 * trial.value("largest_excess_attention_baseline"),
      1e-9);
  EXPECT_NEAR(trial.value("dominance_beyond_share"),
              trial.value("dominance_ratio_layer_mean_head_rms_norm") -
                  0.85 * trial.value("dominance_ratio_layer_mean_baseline"),
              1e-9);
  EXPECT_EQ(trial.series("excess_attention", "baseline").x.size(), 6U);
  const auto& along = trial.series("max_excess_attention", "baseline");
  EXPECT_EQ(along.x, (std::vector<double>{0, 640000}));
  EXPECT_LT(along.y[0], 0.1);
  EXPECT_GT(along.y[1], 0.5);
}

TEST(SinkMitigation, FailsWhereNothingIsRemoved) {
  auto results = planted_training();
  results.own_rate[kHeadRmsNorm] = results.own_rate[kBaseline];
  const auto trial = of_norm(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_NEAR(trial.value("excess_beyond_share"), 0.5 * trial.value("largest_excess_attention_baseline"), 1e-12);
}

TEST(SinkMitigation, FailsWhereTheSinkHasNoSpikeAnyMore) {
  auto results = planted_training();
  results.own_rate[kHeadRmsNorm] = runs_with_models(kHeadRmsNorm, [](uint64_t seed) {
    return Models{planted_model(0, seed), planted_model(1, seed, Circuit::sink_without_spike)};
  });
  const auto trial = of_norm(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_GT(trial.value("excess_beyond_share"), 0);
  EXPECT_LT(trial.value("dominance_beyond_share"), 0);
}

TEST(SinkMitigation, IsOpenWhereTheBaselineHasNoSinkAndNotJudgedWithoutTheArm) {
  auto results = planted_training();
  std::swap(results.own_rate[kBaseline], results.own_rate[kHeadRmsNorm]);
  const auto none = of_norm(results);
  EXPECT_EQ(none.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(none.judgement.reason.rfind(
                "too few seeds of the baseline have a sink to take away: baseline_seeds_with_sink = 0", 0),
            0U)
      << none.judgement.reason;
  auto alone = planted_training();
  alone.own_rate.erase(kHeadRmsNorm);
  const auto without = of_norm(alone);
  EXPECT_EQ(without.judgement.verdict, Verdict::not_run);
  EXPECT_EQ(without.series("excess_attention", "baseline").y.size(), 6U) << "what is described needs no other arm";
}

// ---- sigmoid attention

TrainingTrial of_sigmoid(const TrainingResults& results) {
  return judged("sigmoid_mitigation", results, {"validation.sequences=8"});
}

/// Every score is 0, so every visible key gets sigmoid(bias).
class BlindWeights : public WeightSource {
 public:
  explicit BlindWeights(const ModelConfig& config) : inner_(random_weights(config, 1, at::kCPU)) {}
  BlockWeights block(int64_t layer) const override {
    auto weights = inner_->block(layer);
    weights.query = at::zeros_like(weights.query);
    return weights;
  }
  Tensor embed(const Tensor& ids) const override { return inner_->embed(ids); }
  Tensor final_norm() const override { return inner_->final_norm(); }
  Tensor head() const override { return inner_->head(); }

 private:
  std::shared_ptr<WeightSource> inner_;
};

/// The planted baseline beside sigmoid attention with this bias and these weights.
TrainingResults with_sigmoid(double bias,
                             const std::function<std::shared_ptr<WeightSource>(const ModelConfig&)>& make) {
  auto results = planted_training(kSigmoidAttention);
  auto config = planted_config();
  config.sigmoid_bias = bias;
  const auto model = std::make_shared<const Model>(Model{"sigmoid", config, make(config)});
  results.own_rate[kSigmoidAttention] = runs_with_models(kSigmoidAttention, [&](uint64_t) {
    return Models{model, model};
  });
  return results;
}

TrainingResults with_blind_sigmoid(double bias) {
  return with_sigmoid(bias, [](const ModelConfig& config) { return std::make_shared<BlindWeights>(config); });
}

TEST(SigmoidMitigation, PassesWhereEveryRowLooksEverywhere) {
  // sigmoid(-9) = 1.2e-4, so rows of fewer than 9 keys attend to less than 1e-3 in all.
  const auto results = with_blind_sigmoid(-9);
  const auto trial = of_sigmoid(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_NEAR(trial.value("least_rows_kept"), 56.0 / 63, 1e-12);
  const auto described = judged("sink_mitigation", results, {"validation.sequences=8", "over_training.sequences=4"});
  const double each = 1 / (1 + std::exp(9.0));
  double proxy = 0;
  for (int64_t q = 8; q < 64; ++q) proxy += 1.0 / static_cast<double>(q + 1) / (64 - 8);
  EXPECT_NEAR(described.series("attention_to_first_raw", kSigmoidAttention).y[0], each, 1e-8);
  EXPECT_NEAR(described.series("attention_to_first", kSigmoidAttention).y[0], proxy, 1e-6);
  EXPECT_NEAR(described.series("excess_attention", kSigmoidAttention).y[0], 0, 1e-6);
}

/// The planted model with a BOS that brings the spike from the embedding, since sigmoid attention does not aggregate
/// it.
class SpikingBos : public WeightSource {
 public:
  BlockWeights block(int64_t layer) const override { return planted_.block(layer); }
  Tensor embed(const Tensor& ids) const override {
    auto hidden = planted_.embed(ids);
    hidden.select(2, kPlantedDimension).add_(270 * ids.eq(0));
    return hidden;
  }
  Tensor final_norm() const override { return planted_.final_norm(); }
  Tensor head() const override { return planted_.head(); }

 private:
  PlantedWeights planted_{0, 1};
};

TEST(SigmoidMitigation, FailsWhereSigmoidAttentionHasTheSinkAsWell) {
  auto results = with_sigmoid(-6, [](const ModelConfig&) { return std::make_shared<SpikingBos>(); });
  results.validation = [](int64_t n, Region) {
    auto ids = random_tokens(n, 64, 199)->ids + 1;
    ids.select(1, 0).fill_(0);
    return make_tokens(ids, "validation", "validation", true);
  };
  const auto trial = of_sigmoid(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_GT(trial.value("excess_beyond_share"), 0);
}

TEST(SigmoidMitigation, IsOpenWhereFewRowsAttendToAnything) {
  const auto half = of_sigmoid(with_blind_sigmoid(-10.6));  // 40 keys make a row of 1e-3
  EXPECT_EQ(half.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(half.judgement.reason.rfind("too many rows attend to next to nothing", 0), 0U) << half.judgement.reason;
  const auto none = of_sigmoid(with_blind_sigmoid(-12));
  EXPECT_EQ(none.value("least_rows_kept"), 0);
  EXPECT_EQ(none.judgement.verdict, Verdict::inconclusive);
}

}  // namespace
}  // namespace replicate
