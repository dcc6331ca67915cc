// The claim position_bias on models of which we know why later positions become sinks.

#include <gtest/gtest.h>

#include "tests/support/planted_secondary_sinks.h"

namespace replicate {
namespace {

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
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent);
  EXPECT_GT(bias_metric(trial, "secondary_sinks"), 20);
}

TEST(PositionBias, FailsWhereTheTokenMakesThem) {
  const auto trial = bias_of(with_marked_tokens());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent);
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
