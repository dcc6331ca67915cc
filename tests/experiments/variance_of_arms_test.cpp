// The claims on what a gate or a head norm does to the variance of position 0, on training that never took place.

#include <gtest/gtest.h>

#include "harness/study/measures/trained_variance.h"
#include "models/core/changed_weights.h"
#include "tests/support/made_up_training.h"

namespace replicate {
namespace {

constexpr int64_t kJudgedLayer = 2;

/// A planted model that has a gate in every layer: half open but in layer 2, where `closes` shuts it at position 0 (1),
/// or everywhere else (-1).
std::shared_ptr<const Model> gated_model(uint64_t seed, double closes) {
  auto config = planted_config();
  config.output_gate = true;
  const auto gate = [=](int64_t layer, BlockWeights& weights) {
    weights.output_gate = at::zeros({config.heads * config.head_width, config.width});
    // What the super neuron reads is 4 at position 0 and below -5 elsewhere.
    if (layer == kJudgedLayer) weights.output_gate -= closes * weights.gate[kPlantedNeuron];
  };
  const auto planted = std::make_shared<PlantedWeights>(0, seed);
  return std::make_shared<const Model>(Model{"gated", config, std::make_shared<ChangedWeights>(planted, gate)});
}

/// Gates that were half open and that training closed.
TrainingResults gated_training(double closes) {
  auto results = planted_training(kGatedAttention);
  results.own_rate[kGatedAttention] = runs_with_models(kGatedAttention, [=](uint64_t seed) {
    return Models{gated_model(seed, 0), gated_model(seed, closes)};
  });
  return results;
}

TrainingTrial of_gate(const TrainingResults& results) {
  return judged("gated_attention", results, {"random.sequences=16"});
}

TEST(TrainedVariance, AgreesWithPlainTensors) {
  const auto model = small_model();
  const auto tokens = random_tokens(12, 40);
  const auto variance = std::make_shared<VarianceByPosition>(Site::head_output, std::vector<int64_t>{2});
  const auto heads = watch(Site::head_output, [](const Tensor& x) { return x; });
  run({{model, tokens, {}, {variance, heads}}}, {.batch_tokens = 100});
  const auto x = heads->layer(2).slice(1, 0, 32).flatten(2).to(at::kDouble);            // [B, 32, H K]
  const auto by_position = (x - x.mean(0, true)).square().sum(0).div(12 - 1).mean(-1);  // [32]
  for (int64_t t = 0; t < 32; ++t) EXPECT_NEAR(variance->layer(2)[t], by_position[t].item<double>(), 1e-9);
  EXPECT_NEAR(variance->first_to_rest(2), (by_position[0] / by_position.slice(0, 1).mean()).item<double>(), 1e-9);
}

TEST(GatedAttention, PassesWhereTheGateShutsPositionZero) {
  const auto trial = of_gate(gated_training(1));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  const auto* judged_ratio = trial.find("log_variance_ratio_after_gate");
  EXPECT_EQ(judged_ratio->where.at("layer"), kJudgedLayer);
  EXPECT_EQ(judged_ratio->inputs, "random");
  EXPECT_LT(judged_ratio->value, std::log(2));
  EXPECT_GT(trial.value("variance_ratio_untreated"), 2);
  EXPECT_NEAR(trial.value("log_variance_ratio_after_gate_less_baseline"),
              judged_ratio->value - std::log(trial.value("variance_ratio_untreated")), 1e-9);
  // Half open gates leave a quarter of the variance everywhere.
  const auto& before = trial.series("variance_by_position_before_null", kGatedAttention);
  const auto& after = trial.series("variance_by_position_null", kGatedAttention);
  for (size_t i = 0; i < before.y.size(); ++i) EXPECT_NEAR(after.y[i] / before.y[i], 0.25, 1e-5);
  EXPECT_NO_THROW(trial.series("variance_by_position_layer2", "baseline"));
}

TEST(GatedAttention, FailsWhereTheGateLeavesOrWidensTheDiscrepancy) {
  for (const double closes : {0.0, -1.0}) {
    const auto trial = of_gate(gated_training(closes));
    EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << closes << ": " << trial.judgement.reason;
    EXPECT_GT(trial.value("log_variance_ratio_after_gate"), std::log(2)) << closes;
  }
}

TEST(GatedAttention, HasNothingToRemoveWhereTheBaselineHasNoDiscrepancy) {
  auto results = gated_training(1);
  results.own_rate[kBaseline] = results.own_rate[kGatedAttention];
  const auto trial = of_gate(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(
      trial.judgement.reason.rfind("the baseline has no discrepancy to remove: its variance ratio in layer 2 is", 0),
      0U)
      << trial.judgement.reason;
}

TEST(GatedAttention, IsNotJudgedWithoutTheArmOrItsLayer) {
  auto alone = gated_training(1);
  alone.own_rate.erase(kGatedAttention);
  EXPECT_NE(of_gate(alone).judgement.reason.find("does not train gated_attention"), std::string::npos);
  auto shallow = gated_training(1);
  shallow.config.layers = 1;
  EXPECT_EQ(of_gate(shallow).judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(of_gate(shallow).judgement.reason, "the model has no layer 2");
}

// ---- head-wise RMSNorm

/// Fresh weights, with head-wise RMSNorm where wanted.
std::shared_ptr<const Model> fresh_model(uint64_t seed, bool normed) {
  auto config = small_model()->config;
  config.head_rms_norm = normed;
  return std::make_shared<const Model>(Model{"fresh", config, random_weights(config, seed, at::kCPU)});
}

/// Arms whose final losses are these; each seed has an offset of its own, which pairing takes away.
TrainingResults normed_training(bool normed, double norm_loss, double gain_loss) {
  auto results = results_for(small_model()->config);
  const auto add = [&](const std::string& arm, bool with_norm, double loss) {
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      const auto model = fresh_model(seed, with_norm);
      const auto noise = 0.002 * static_cast<double>(seed * seed % 7);
      results.own_rate[arm].push_back(
          run_of(arm, [=](int64_t) { return loss + 0.01 * static_cast<double>(seed) + noise; }, {model, model}));
    }
  };
  add(kBaseline, false, 4);
  add(kHeadRmsNorm, normed, norm_loss);
  add(kConstantGain, false, gain_loss);
  results.lowest_known_loss = 3;
  return results;
}

TrainingTrial of_parity(const TrainingResults& results) {
  return judged("statistical_parity", results, {"random.sequences=64"});
}

TEST(StatisticalParity, PassesWhereTheNormEqualisesAndBeatsItsScale) {
  const auto trial = of_parity(normed_training(true, 3.4, 3.6));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_NEAR(trial.value("loss_less_constant_gain"), -0.2, 1e-9);
  EXPECT_NEAR(trial.value("relative_loss_difference"), -0.6 / 4.06, 1e-3);
  EXPECT_LT(trial.value("log_variance_ratio_after_norm"), std::log(2));
  EXPECT_EQ(trial.find("log_variance_ratio_after_norm")->inputs, "random");
  EXPECT_EQ(trial.find("loss_less_constant_gain")->inputs, "validation");
  EXPECT_GT(trial.series("variance_by_position_layer2", kConstantGain).y[0],
            2 * trial.series("variance_by_position_layer2", kConstantGain).y[20]);
}

TEST(StatisticalParity, FailsWhereTheScaleDoesItOrTheNormHarmsOrTheDiscrepancyStays) {
  const auto by_scale = of_parity(normed_training(true, 3.4, 3.3));
  EXPECT_EQ(by_scale.judgement.verdict, Verdict::fail);
  EXPECT_EQ(by_scale.judgement.reason.rfind("loss_less_constant_gain", 0), 0U) << by_scale.judgement.reason;
  const auto harms = of_parity(normed_training(true, 4.01, 4.2));
  EXPECT_EQ(harms.judgement.verdict, Verdict::fail) << "constant gains do more harm, and the norm does some";
  EXPECT_EQ(harms.judgement.reason.rfind("relative_loss_difference", 0), 0U) << harms.judgement.reason;
  EXPECT_LT(harms.value("loss_less_constant_gain"), 0);
  const auto stays = of_parity(normed_training(false, 3.4, 3.6));
  EXPECT_EQ(stays.judgement.verdict, Verdict::fail);
  EXPECT_EQ(stays.judgement.reason.rfind("log_variance_ratio_after_norm", 0), 0U) << stays.judgement.reason;
}

TEST(StatisticalParity, IsOpenOnAnExhaustedTask) {
  auto results = normed_training(true, 3.97, 4);
  results.lowest_known_loss = 3.96;
  const auto trial = of_parity(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(trial.judgement.reason.rfind("the baseline is not known to have enough left to gain on this data", 0), 0U)
      << trial.judgement.reason;
}

TEST(StatisticalParity, NeedsAllThreeArms) {
  auto results = normed_training(true, 3.4, 3.6);
  results.own_rate.erase(kConstantGain);
  const auto trial = of_parity(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_run);
  EXPECT_NE(trial.judgement.reason.find("does not train constant_gain"), std::string::npos) << trial.judgement.reason;
}

}  // namespace
}  // namespace replicate
