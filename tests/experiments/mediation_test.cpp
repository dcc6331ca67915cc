// The claims super_neuron_mediation and disparity_mediation on planted models of which we know what an induced sink
// goes through.

#include <gtest/gtest.h>

#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"
#include "models/core/tensor_values.h"
#include "tests/support/planted_mediation.h"

namespace replicate {
namespace {

constexpr Sizes kMediationSizes{.sequences = 16, .length = 64, .calibration = 32};

Trial mediated(const std::shared_ptr<const Model>& model, const std::string& claim) {
  ExperimentBench bench(model, kMediationSizes);
  return bench.run(claim);
}

double mediated_metric(const Trial& trial, const std::string& name) {
  for (const auto& metric : trial.measurement.metrics) {
    if (metric.name == name) return metric.value;
  }
  ADD_FAILURE() << name << " was not measured: " << trial.judgement.reason;
  return 0;
}

// ---- super_neuron_mediation -------------------------------------------------------------------------

TEST(SuperNeuronMediation, PassesWhereTheWriteMakesTheSink) {
  ExperimentBench bench(planted_lock(Lock::any_large_vector), kMediationSizes);
  // Two sinks share the attention, and a random vector moves some of it from one to the other in either direction.
  const auto trial = bench.run("super_neuron_mediation", {"natural.sequences=64"});
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_GT(mediated_metric(trial, "induced_removed_share"), 0.95);
  EXPECT_GT(mediated_metric(trial, "spike_norm_taken"), 0.9);
}

TEST(SuperNeuronMediation, FailsWhereABackupNeuronTakesOver) {
  const auto trial = mediated(planted_model(1, 1, Circuit::backup), "super_neuron_mediation");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_LT(mediated_metric(trial, "induced_removed_share"), 0.5);
}

TEST(SuperNeuronMediation, ItsControlFiresWhereAnyPushCostsTheSink) {
  const auto trial = mediated(planted_lock(Lock::undisturbed), "super_neuron_mediation");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.criteria.front().outcome, Outcome::pass);
  ASSERT_EQ(trial.judgement.controls.size(), 1U);
  EXPECT_EQ(trial.judgement.controls.front().outcome, ControlOutcome::fires);
}

/// Attention to the target in one sequence, mean over the layers after the planted spike.
double attention_to_target(const std::shared_ptr<const Model>& model, const Tokens& tokens,
                           std::vector<Patch> patches) {
  const auto columns = watch_columns({10});
  run({{model, tokens, std::move(patches), {columns}}}, {});
  return attention_to(columns->layers().select(2, 0), 10, tokens->length())
      .slice(1, kPlantedSpike)
      .mean()
      .item<double>();
}

TEST(SuperNeuronMediation, IsTheAttentionWithTheActivationHeldByHand) {
  const auto model = planted_model(1);
  ExperimentBench bench(model, kMediationSizes);
  const auto trial = bench.run("super_neuron_mediation");
  const auto all = bench.maker().make(InputKind::natural, {16, 64});
  const auto activations = only_in({kPlantedSpike}, watch(Site::hidden, [](const Tensor& z) { return z; }));
  run({{model, all, {}, {activations}}}, {});
  const auto held = activations->layer(kPlantedSpike).select(1, 10).select(1, kPlantedNeuron);  // [B]
  for (const auto& samples : trial.measurement.samples) {
    if (samples.metric != "induced_removed") continue;
    for (int64_t b = 0; b < 4; ++b) {
      const auto tokens = make_tokens(all->ids.slice(0, b, b + 1));
      const Patch mask = only_itself(10, {1, 6});
      const AffinePatch clamp{
          Site::hidden, {kPlantedSpike, kPlantedSpike}, {10}, {kPlantedNeuron}, 0, {{held[b].item<float>()}}};
      const double expected =
          attention_to_target(model, tokens, {mask}) - attention_to_target(model, tokens, {mask, clamp});
      EXPECT_NEAR(samples.values[static_cast<size_t>(b)], expected, 1e-5) << b;
    }
    return;
  }
  ADD_FAILURE() << trial.judgement.reason;
}

TEST(Mediation, NeedsASpikeWithASink) {
  for (const auto* claim : {"super_neuron_mediation", "disparity_mediation"}) {
    EXPECT_EQ(mediated(planted_model(0), claim).judgement.verdict, Verdict::not_applicable) << claim;
  }
}

// ---- disparity_mediation ----------------------------------------------------------------------------

TEST(DisparityMediation, PassesWhereOneAxisCarriesTheSink) {
  const auto trial = mediated(planted_model(1), "disparity_mediation");
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(mediated_metric(trial, "dimensions_held"), 4);
}

TEST(DisparityMediation, FailsWhereTheRestOfTheVectorIsEnough) {
  const auto trial = mediated(written_densely_too(1), "disparity_mediation");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_LT(mediated_metric(trial, "induced_removed_share"), 0.5);
}

TEST(DisparityMediation, ItsControlFiresWhereTheNormIsWhatCounts) {
  const auto trial = mediated(answered_axis(), "disparity_mediation");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.criteria.front().outcome, Outcome::pass);
  EXPECT_EQ(trial.judgement.controls.front().outcome, ControlOutcome::fires);
}

/// What so many held dimensions remove.
double removed_by(const Trial& trial, int64_t dimensions) {
  for (const auto& metric : trial.measurement.metrics) {
    if (metric.name == "induced_removed_by_count" && metric.where.at("dimensions") == dimensions) return metric.value;
  }
  ADD_FAILURE() << dimensions << " dimensions: " << trial.judgement.reason;
  return 0;
}

/// The spike is written along four axes, and keys read them alike: with one held the other three carry most of the
/// sink.
TEST(DisparityMediation, PassesWhereNoSingleDimensionCarriesTheSink) {
  const auto four_axes = with_change(planted_model(1), [](int64_t layer, BlockWeights& weights) {
    const auto key = 0.4 * weights.key.select(1, kPlantedDimension).unsqueeze(1);
    if (layer > kPlantedSpike) weights.key.slice(1, kPlantedDimension, kPlantedDimension + 4).copy_(key);
    const auto written = weights.down.slice(0, kPlantedDimension, kPlantedDimension + 1).clone();
    if (layer == kPlantedSpike) weights.down.slice(0, kPlantedDimension, kPlantedDimension + 4).copy_(written);
  });
  const auto trial = mediated(four_axes, "disparity_mediation");
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_LT(removed_by(trial, 1), 0.5 * mediated_metric(trial, "induced_removed"));
}

/// Nine dimensions hold the vector, so the four that may be held leave the target lopsided.
TEST(DisparityMediation, SaysSoWhereNoFewDimensionsCarryIt) {
  const auto spread = with_change(planted_lock(Lock::any_large_vector), [](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    for (int64_t d = 12; d < 20; ++d) weights.down[d][kPlantedNeuron] += 17;
  });
  const auto trial = mediated(spread, "disparity_mediation");
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive) << trial.judgement.reason;
  EXPECT_NE(trial.judgement.reason.find("did not take"), std::string::npos) << trial.judgement.reason;
}

}  // namespace
}  // namespace replicate
