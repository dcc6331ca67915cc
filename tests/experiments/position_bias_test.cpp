// The claim position_bias on models of which we know why later positions become sinks.

#include <gtest/gtest.h>

#include "tests/support/changed_weights.h"
#include "tests/support/experiment_fixture.h"
#include "tests/support/planted_model.h"

namespace replicate {
namespace {

std::shared_ptr<const Model> changed_planted(ChangedWeights::Change change) {
  const auto planted = std::make_shared<PlantedWeights>(1, 1);
  return std::make_shared<const Model>(
      Model{"changed", planted_config(), std::make_shared<ChangedWeights>(planted, std::move(change))});
}

/// The first layer writes more of what differs between texts, so position 1, which averages two values, reaches the
/// super neuron as well.
std::shared_ptr<const Model> easily_reached() {
  return changed_planted([](int64_t layer, BlockWeights& weights) {
    const auto inputs = at::arange(weights.output.size(1), at::kLong).remainder(planted_config().head_width);
    if (layer == 1) weights.output.mul_(at::where(inputs < 14, 1.8, 1.0).to(at::kFloat));  // 14 signs per head
  });
}

/// Three more neurons write what the super neuron writes, each wherever one token stands.
std::shared_ptr<const Model> with_marked_tokens() {
  const auto rows = PlantedWeights(1, 1).embed(at::arange(94, at::kLong).view({1, 94}))[0];  // [94, D]
  const auto common = rows.mean(0);
  return changed_planted([=](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    for (const int64_t i : {0, 1, 2}) {
      const auto own = rows[20 * i] - common;
      const auto reads = 12 * (own / own.norm() - 0.1 * common / common.norm());
      weights.gate[90 + i].copy_(reads);
      weights.up[90 + i].copy_(reads);
      weights.down.select(1, 90 + i).zero_();
      weights.down[kPlantedDimension][90 + i] = 17;
    }
  });
}

Trial bias_of(const std::shared_ptr<const Model>& model, const std::vector<std::string>& overrides = {}) {
  auto all = overrides;
  all.emplace_back("natural.sequences=48");
  return ExperimentBench(model).run("position_bias", all);
}

double bias_metric(const Trial& trial, const std::string& name) {
  for (const auto& metric : trial.measurement.metrics) {
    if (metric.name == name) return metric.value;
  }
  ADD_FAILURE() << name << " was not measured: " << trial.judgement.reason;
  return 0;
}

TEST(PositionBias, PassesWhereDeviationMakesSecondarySinks) {
  const auto trial = bias_of(easily_reached());
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_GT(bias_metric(trial, "secondary_sinks"), 20);
}

TEST(PositionBias, FailsWhereTheTokenMakesThem) {
  const auto trial = bias_of(with_marked_tokens());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_GT(bias_metric(trial, "secondary_sinks"), 20);
}

TEST(PositionBias, DoesNotApplyWhereNothingIsToTell) {
  const auto few = bias_of(planted_model(1), {"secondary_excess=0.9"});
  EXPECT_EQ(few.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(few.judgement.reason, "too few secondary sinks to tell");
  const auto none = bias_of(planted_model(0));
  EXPECT_EQ(none.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(none.judgement.reason.rfind("no sink", 0), 0U) << none.judgement.reason;
  const auto unseen = bias_of(planted_model(1), {"queries=63"});
  EXPECT_EQ(unseen.judgement.verdict, Verdict::not_applicable);
}

}  // namespace
}  // namespace replicate
