// The claim variance_scaling on planted models of which we know what makes a sink of a later position.

#include <gtest/gtest.h>

#include "harness/study/measures/sink_probes.h"
#include "models/core/tensor_values.h"
#include "tests/support/planted_scaling.h"

namespace replicate {
namespace {

constexpr Sizes kScalingSizes{.sequences = 16, .length = 64};
constexpr int64_t kScaledTarget = 10;

Trial scaled_on(const std::shared_ptr<const Model>& model, const std::vector<std::string>& overrides = {}) {
  ExperimentBench bench(model, kScalingSizes);
  return bench.run("variance_scaling", overrides);
}

// ---- verdicts ---------------------------------------------------------------------------------------

TEST(VarianceScaling, PassesWhereALargerDeviationMakesASink) {
  const auto trial = scaled_on(planted_model(1));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::supports);
  EXPECT_EQ(metric_in(trial, "scaled_beyond_share_of_first").where.at("spike"), kPlantedSpike);
}

/// However far a later position's outputs deviate, they are no sign vectors, and only these make a spike.
TEST(VarianceScaling, FailsWhereALargerDeviationIsOfNoUse) {
  const auto trial = scaled_on(banded_model());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::contradicts);
  EXPECT_EQ(criterion_in(trial, "scaled_beyond_share_of_first"), Outcome::fail);
}

TEST(VarianceScaling, FailsWhereTheTargetDrawsLessThanItsShare) {
  const auto trial = scaled_on(planted_model(1), {"share_of_first=2"});
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
}

/// Where position 0's own variance makes a whole sink already, a larger dose need not add to it.
TEST(VarianceScaling, PassesWhereTheMatchingDoseIsEnough) {
  const auto trial = scaled_on(sensitive_model());
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_LT(metric_in(trial, "scaled_beyond_matched").value, 0.2 * metric_in(trial, "scaled_added_attention").value);
}

/// Every sequence has this value of a metric.
void give_all(Measurement& measured, const std::string& metric, double value) {
  for (auto& samples : measured.samples) {
    if (samples.metric == metric) std::ranges::fill(samples.values, value);
  }
}

TEST(VarianceScaling, FailsWhereTheDoseAddsNothing) {
  auto trial = scaled_on(planted_model(1));
  give_all(trial.measurement, "scaled_added_attention", -0.1);
  const auto judgement = judge(trial.measurement, trial.judging, at_spike(kPlantedSpike));
  EXPECT_EQ(judgement.verdict, Verdict::fail) << judgement.reason;
}

TEST(VarianceScaling, ContradictsOnlyWhereTheLargestDoseFailsToo) {
  const auto trial = scaled_on(planted_model(1));
  const auto bearing_with = [&](double share, double added) {
    auto measured = trial.measurement;
    give_all(measured, "scaled_beyond_share_of_first", -0.1);
    give_all(measured, "largest_dose_beyond_share_of_first", share);
    give_all(measured, "largest_dose_added_attention", added);
    const auto judgement = judge(measured, trial.judging, at_spike(kPlantedSpike));
    EXPECT_EQ(judgement.verdict, Verdict::fail) << judgement.reason;
    return judgement.bearing;
  };
  EXPECT_EQ(bearing_with(0.1, 0.1), Bearing::silent);
  EXPECT_EQ(bearing_with(-0.1, 0.1), Bearing::contradicts);
  EXPECT_EQ(bearing_with(0.1, -0.1), Bearing::contradicts);
}

// ---- what surrounds the criteria --------------------------------------------------------------------

TEST(VarianceScaling, ItsNormControlsFireWhereOutputsHaveNoMean) {
  const auto trial = scaled_on(centred_model());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent);
  EXPECT_EQ(criterion_in(trial, "scaled_beyond_share_of_first"), Outcome::pass);
  EXPECT_EQ(control_in(trial, "scaled_added_attention_norm"), ControlOutcome::fires);
  EXPECT_EQ(control_in(trial, "scaled_added_attention_norm_matched"), ControlOutcome::fires);
  EXPECT_EQ(control_in(trial, "scaled_added_attention_after_spike"), ControlOutcome::negative);
}

TEST(VarianceScaling, ItsLateControlFiresWhereADeviationAfterTheSpikeWillDo) {
  const auto trial = scaled_on(late_model());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(control_in(trial, "scaled_added_attention_after_spike"), ControlOutcome::fires);
  EXPECT_EQ(criterion_in(trial, "scaled_beyond_share_of_first"), Outcome::pass);
  EXPECT_EQ(control_in(trial, "scaled_added_attention_norm"), ControlOutcome::negative);
}

/// Two texts do not say how much the outputs vary.
TEST(VarianceScaling, SaysSoWhereTheTargetDoesNotVaryAsTheFirstPosition) {
  const auto trial = scaled_on(planted_model(1), {"calibration.sequences=2"});
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive) << trial.judgement.reason;
  EXPECT_NE(trial.judgement.reason.find("did not take"), std::string::npos) << trial.judgement.reason;
}

TEST(VarianceScaling, EachSideOfItsCheckCanBeUnmet) {
  const auto trial = scaled_on(planted_model(1));
  for (const auto& [name, value] :
       {std::pair{"matched_variance_ratio_least", 0.79}, {"matched_variance_ratio_largest", 1.26}}) {
    auto measured = trial.measurement;
    for (auto& metric : measured.metrics) {
      if (metric.name == name) metric.value = value;
    }
    EXPECT_EQ(judge(measured, trial.judging, at_spike(kPlantedSpike)).verdict, Verdict::inconclusive) << name;
  }
}

TEST(VarianceScaling, NeedsAStageAndAFirstPositionThatVaries) {
  EXPECT_EQ(scaled_on(planted_model(0)).judgement.reason, "no spike with a sink after it");
  ExperimentBench with_bos(planted_model(1), {.sequences = 16, .length = 64, .bos = true});
  EXPECT_EQ(with_bos.run("variance_scaling").judgement.verdict, Verdict::not_applicable);
}

// ---- by hand ----------------------------------------------------------------------------------------

/// Mean and factor of one layer's head outputs at k.
struct Calibration {
  Tensor mean;  // [H K]
  double factor;
};

/// The claim's passes, made of affine maps whose numbers are computed here.
class ByHand {
 public:
  ByHand(Tokens tokens, Tokens calibration) : tokens_(std::move(tokens)), calibration_(std::move(calibration)) {}

  /// Layer by layer, with the earlier layers changed.
  std::vector<Calibration> calibrations(LayerRange layers, double dose) const {
    std::vector<Calibration> all;
    for (int64_t layer = layers.first; layer <= layers.last; ++layer) {
      const auto outputs = watch(Site::head_output, [](const Tensor& x) { return x.flatten(2); });
      const auto changed = patches(all, layers.first, dose, true);
      run({{model_, calibration_, changed, {only_in({layer}, outputs)}}}, {});
      const auto x = outputs->layer(layer);  // [B', T, H K]
      const auto deviation = [&](int64_t position) { return x.select(1, position).var(0).sum().sqrt(); };
      const double factor = (deviation(0) / deviation(kScaledTarget)).item<double>();
      all.push_back({x.select(1, kScaledTarget).mean(0), std::max(1.0, factor)});
    }
    return all;
  }

  static std::vector<Patch> patches(const std::vector<Calibration>& calibrations, int64_t first, double dose,
                                    bool around_mean) {
    std::vector<Patch> all;
    for (size_t i = 0; i < calibrations.size(); ++i) {
      const auto layer = first + static_cast<int64_t>(i);
      const double scale = dose * calibrations[i].factor;
      AffinePatch patch{Site::head_output, {layer, layer}, {kScaledTarget}, {}, static_cast<float>(scale), {}};
      if (around_mean) patch.shift = {to_vector<float>((1 - scale) * calibrations[i].mean)};
      all.emplace_back(std::move(patch));
    }
    return all;
  }

  std::vector<Patch> amplified(LayerRange layers, double dose, bool around_mean = true) const {
    return patches(calibrations(layers, dose), layers.first, dose, around_mean);
  }

  /// Attention to position `key` from the queries after the target, mean over these layers: [B].
  Tensor attention(int64_t key, std::vector<int64_t> layers, std::vector<Patch> patches) const {
    const auto columns = watch_columns({key});
    run({{model_, tokens_, std::move(patches), {only_in(std::move(layers), columns)}}}, {});
    return columns->layers().select(2, 0).slice(2, kScaledTarget + 1).mean({1, 2});
  }

  /// Head outputs at k in a layer: [B, H K].
  Tensor outputs(int64_t layer, int64_t position, std::vector<Patch> patches) const {
    const auto seen =
        watch(Site::head_output, [position](const Tensor& x) { return x.select(1, position).flatten(1); });
    run({{model_, tokens_, std::move(patches), {only_in({layer}, seen)}}}, {});
    return seen->layer(layer);
  }

 private:
  std::shared_ptr<const Model> model_ = planted_model(1);
  Tokens tokens_, calibration_;
};

/// Per sequence.
const std::vector<double>& samples_in(const Trial& trial, const std::string& metric) {
  for (const auto& samples : trial.measurement.samples) {
    if (samples.metric == metric) return samples.values;
  }
  throw std::runtime_error(metric + " has no samples: " + trial.judgement.reason);
}

double mean_in(const Tensor& x) { return x.mean().item<double>(); }

class VarianceScalingByHand : public testing::Test {
 protected:
  ExperimentBench bench_{planted_model(1), kScalingSizes};
  Trial trial_ = bench_.run("variance_scaling");
  ByHand by_hand_{bench_.maker().make(InputKind::random, {16, 32}),
                  bench_.maker().make(InputKind::random, {256, kScaledTarget + 1}, false, Region::calibration)};
  LayerRange before_{1, kPlantedSpike}, after_{kPlantedSpike + 1, 6};
  std::vector<int64_t> first_sink_{3}, sinks_{3, 4, 5, 6};

  double value(const std::string& metric) const { return metric_in(trial_, metric).value; }
};

TEST_F(VarianceScalingByHand, TheContrastsAreTheseAttentions) {
  const auto untouched = by_hand_.attention(kScaledTarget, first_sink_, {});
  for (const auto& [name, dose] : {std::pair{std::string("scaled"), 4}, {"largest_dose", 8}}) {
    const auto amplified = by_hand_.amplified(before_, dose);
    const auto drawn = by_hand_.attention(kScaledTarget, first_sink_, amplified);
    const auto share = drawn - 0.25 * by_hand_.attention(0, first_sink_, amplified);
    EXPECT_NEAR(value(name + "_beyond_share_of_first"), mean_in(share), 1e-4);
    EXPECT_NEAR(value(name + "_added_attention"), mean_in(drawn - untouched), 1e-4);
  }
  const auto at = [&](double dose) {
    return by_hand_.attention(kScaledTarget, first_sink_, by_hand_.amplified(before_, dose));
  };
  EXPECT_NEAR(value("scaled_beyond_matched"), mean_in(at(4) - at(1)), 1e-4);
}

TEST_F(VarianceScalingByHand, TheControlsAreTheseAttentions) {
  const auto added = [&](const std::vector<int64_t>& layers, const std::vector<Patch>& patches) {
    return mean_in(by_hand_.attention(kScaledTarget, layers, patches) - by_hand_.attention(kScaledTarget, layers, {}));
  };
  const auto amplified = by_hand_.amplified(before_, 4);
  EXPECT_NEAR(value("scaled_added_attention"), added(first_sink_, amplified), 1e-4);
  EXPECT_NEAR(value("scaled_added_attention_norm"), added(first_sink_, by_hand_.amplified(before_, 4, false)), 1e-4);
  EXPECT_NEAR(value("scaled_added_attention_sink_layers"), added(sinks_, amplified), 1e-4);
  EXPECT_NEAR(value("scaled_added_attention_after_spike"), added(sinks_, by_hand_.amplified(after_, 4)), 1e-4);
}

TEST_F(VarianceScalingByHand, TheCheckIsTheQuotientOfTheVariances) {
  const auto one = by_hand_.amplified(before_, 1);
  std::vector<double> ratios;
  for (const int64_t layer : {1, 2}) {
    const auto variance = [&](int64_t position) { return by_hand_.outputs(layer, position, one).var(0).sum(); };
    ratios.push_back((variance(kScaledTarget) / variance(0)).item<double>());
  }
  EXPECT_NEAR(value("matched_variance_ratio_least"), std::min(ratios[0], ratios[1]), 1e-4);
  EXPECT_NEAR(value("matched_variance_ratio_largest"), std::max(ratios[0], ratios[1]), 1e-4);
}

/// Sequence by sequence: a factor per layer that makes the outputs as long as those of the amplified pass.
TEST_F(VarianceScalingByHand, TheMatchedNormIsThatOfTheAmplifiedPass) {
  const auto amplified = by_hand_.amplified(before_, 4);
  const auto all = bench_.maker().make(InputKind::random, {16, 32});
  const auto& samples = samples_in(trial_, "scaled_added_attention_norm_matched");
  for (int64_t b = 0; b < 3; ++b) {
    const ByHand alone(make_tokens(all->ids.slice(0, b, b + 1)), {});
    std::vector<Patch> patches;
    for (const int64_t layer : {1, 2}) {
      const auto norm = [&](const std::vector<Patch>& so_far) {
        return alone.outputs(layer, kScaledTarget, so_far).norm().item<double>();
      };
      const auto scale = static_cast<float>(norm(amplified) / norm(patches));
      patches.emplace_back(AffinePatch{Site::head_output, {layer, layer}, {kScaledTarget}, {}, scale, {}});
    }
    const auto added =
        alone.attention(kScaledTarget, first_sink_, patches) - alone.attention(kScaledTarget, first_sink_, {});
    EXPECT_NEAR(samples[static_cast<size_t>(b)], mean_in(added), 1e-4) << b;
  }
}

}  // namespace
}  // namespace replicate
