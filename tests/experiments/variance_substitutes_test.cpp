// The claim variance_substitutes on planted models of which we know what the super neuron reads.

#include <gtest/gtest.h>

#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"
#include "models/core/tensor_values.h"
#include "tests/support/planted_scaling.h"

namespace replicate {
namespace {

constexpr Sizes kSubstituteSizes{.sequences = 16, .length = 64};
constexpr int64_t kReplaced = 10;

Trial substituted_on(const std::shared_ptr<const Model>& model, const std::vector<std::string>& overrides = {}) {
  ExperimentBench bench(model, kSubstituteSizes);
  return bench.run("variance_substitutes", overrides);
}

TEST(VarianceSubstitutes, PassesWhereAnyDeviationOfThatSizeWillDo) {
  const auto trial = substituted_on(sensitive_model());
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::supports);
  EXPECT_EQ(metric_in(trial, "noise_beyond_share_of_own_value").where.at("spike"), kPlantedSpike);
}

TEST(VarianceSubstitutes, FailsAndIsSilentWhereItHasToLookLikeAValue) {
  const auto trial = substituted_on(banded_model(), {"random.sequences=64"});
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent);
  EXPECT_GT(metric_in(trial, "own_value_excess").value, 0.3);
}

TEST(VarianceSubstitutes, SaysSoWhereItsOwnValueMakesNoSink) {
  const auto trial = substituted_on(sensitive_model());
  auto measured = trial.measurement;
  for (auto& metric : measured.metrics) {
    if (metric.name == "own_value_excess") metric.value = 0.19;
  }
  const auto judgement = judge(measured, trial.judging, at_spike(kPlantedSpike));
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(judgement.reason.rfind("its own value vector makes no sink", 0), 0U) << judgement.reason;
}

TEST(VarianceSubstitutes, NeedsAStageAndAFirstPositionThatVaries) {
  EXPECT_EQ(substituted_on(planted_model(0)).judgement.reason, "no spike with a sink after it");
  ExperimentBench with_bos(planted_model(1), {.sequences = 16, .length = 64, .bos = true});
  EXPECT_EQ(with_bos.run("variance_substitutes").judgement.verdict, Verdict::not_applicable);
}

// ---- by hand ----------------------------------------------------------------------------------------

/// Head outputs of every position in one layer: [B, T, H K].
Tensor head_outputs_of(const Tokens& tokens, int64_t layer, std::vector<Patch> patches) {
  const auto outputs = watch(Site::head_output, [](const Tensor& x) { return x.flatten(2); });
  run({{planted_model(1), tokens, std::move(patches), {only_in({layer}, outputs)}}}, {});
  return outputs->layer(layer);
}

Tokens one_of(const Tokens& tokens, int64_t b) { return make_tokens(tokens->ids.slice(0, b, b + 1)); }

Tensor unit_weights(uint64_t seed, int64_t sequence, int64_t count) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed ^ (0x9E3779B97F4A7C15u * static_cast<uint64_t>(sequence + 1)));
  const auto drawn = at::randn({count}, generator, at::kFloat).to(at::kDouble);
  return drawn / drawn.norm();
}

/// What replaces the outputs of one layer: mu + w . (centred outputs of position 0).
struct NoiseOfLayer {
  Tensor mean;        // [H K]
  Tensor deviations;  // [B', H K]

  Patch patch(int64_t layer, const Tensor& weights) const {
    const auto value = mean + at::matmul(weights, deviations);
    return AffinePatch{Site::head_output, {layer, layer}, {kReplaced}, {}, 0, {to_vector<float>(value)}};
  }
};

TEST(VarianceSubstitutes, MeasuresNoiseThatIsPutInByHand) {
  constexpr int64_t kOthers = 16;
  ExperimentBench bench(planted_model(1), kSubstituteSizes);
  const auto trial = bench.run("variance_substitutes", {"calibration.sequences=16"});
  const auto tokens = bench.maker().make(InputKind::random, {16, 32});
  const auto others = bench.maker().make(InputKind::random, {kOthers, kReplaced + 1}, false, Region::calibration);
  const auto weights = [](int64_t b) { return unit_weights(derive_seed(1, "variance_substitutes/noise"), b, kOthers); };
  const auto centred_first = [&](const Tensor& outputs) {
    return outputs.select(1, 0) - outputs.select(1, 0).mean(0, true);
  };
  const auto first = head_outputs_of(others, 1, {});
  const NoiseOfLayer layer1{first.select(1, kReplaced).mean(0), centred_first(first)};
  std::vector<Tensor> changed;  // the calibration sequences in layer 2, with layer 1 replaced
  for (int64_t b = 0; b < kOthers; ++b) {
    changed.push_back(head_outputs_of(one_of(others, b), 2, {layer1.patch(1, weights(b))}));
  }
  const auto second = at::cat(changed);
  const NoiseOfLayer layer2{second.select(1, kReplaced).mean(0), centred_first(second)};
  const auto drawn = [&](const Tokens& one, std::vector<Patch> patches) {
    const auto columns = watch_columns({kReplaced});
    run({{planted_model(1), one, std::move(patches), {only_in({3}, columns)}}}, {});
    return columns->layer(3).select(1, 0).slice(1, kReplaced + 1).mean().item<double>();
  };
  const auto units = [&] {
    for (const auto& samples : trial.measurement.samples) {
      if (samples.metric == "noise_beyond_share_of_own_value") return samples.values;
    }
    throw std::runtime_error(trial.judgement.reason);
  }();
  for (int64_t b = 0; b < 4; ++b) {
    const auto one = one_of(tokens, b);
    const auto noise = drawn(one, {layer1.patch(1, weights(b)), layer2.patch(2, weights(b))});
    const auto own = drawn(one, {only_itself(kReplaced, {1, 2})});
    EXPECT_NEAR(units[static_cast<size_t>(b)], noise - 0.25 * own, 1e-4) << b;
  }
}

}  // namespace
}  // namespace replicate
