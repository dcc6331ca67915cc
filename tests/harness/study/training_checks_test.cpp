// What is checked before a training claim is judged, on training that never took place.

#include "harness/study/training_checks.h"

#include <gtest/gtest.h>

#include "tests/support/made_up_training.h"

namespace replicate {
namespace {

double value_of(SeedMeasure& measure, const std::string& name) {
  for (const auto& metric : measure.take().metrics) {
    if (metric.name == name) return metric.value;
  }
  ADD_FAILURE() << name << " is not reported";
  return kNaN;
}

double of_runs(const TrainingResults& results, const std::string& name) {
  SeedMeasure measure;
  report_runs(results, ComparedArms(results.own_rate, {kBaseline, kHeadRmsNorm}), measure);
  return value_of(measure, name);
}

TrainingResults two_arms() {
  auto results = results_for(small_model()->config);
  for (const auto* arm : {kBaseline, kHeadRmsNorm}) {
    results.own_rate[arm] = runs_with_loss(arm, [](uint64_t, int64_t) { return 4.0; });
  }
  return results;
}

TEST(TrainingChecks, CountASeedOnceHoweverManyOfItsRunsDiverged) {
  auto results = two_arms();
  EXPECT_EQ(of_runs(results, "diverged_seeds"), 0);
  stop(results, kBaseline, 3);
  EXPECT_EQ(of_runs(results, "diverged_seeds"), 1);
  stop(results, kHeadRmsNorm, 3);
  EXPECT_EQ(of_runs(results, "diverged_seeds"), 1);
  stop(results, kHeadRmsNorm, 10);
  EXPECT_EQ(of_runs(results, "diverged_seeds"), 2);
}

struct RateCase {
  std::vector<RateTrial> trials;
  double gain;  // NaN: undecided
};

TEST(TrainingChecks, SayWhatALearningRateAtTheEdgeWouldGain) {
  const RateCase cases[] = {
      {{{0.001, 4}, {0.003, 3.5}, {0.01, 3.8}}, 0},                     // inside
      {{{0.001, 4}, {0.003, 3.5}, {0.01, 3.49}}, 0.01 / 3.5},           // a tie within 0.35%
      {{{0.001, 3.15}, {0.003, 3.6}, {0.01, 4}}, 0.125},                // the lowest rate
      {{{0.001, 4}, {0.003, 3.9}, {0.006, 3.6}, {0.01, 3.15}}, 0.125},  // the highest
      {{{0.001, kNaN}, {0.003, 3.5}, {0.01, kNaN}}, 0},                 // nothing but the inside converges
      {{{0.001, 3}, {0.003, kNaN}, {0.01, kNaN}}, kNaN},                // the inside diverges
      {{{0.001, 3}, {0.003, 4}}, kNaN},                                 // there is no inside
      {{}, kNaN},
  };
  for (const auto& [trials, gain] : cases) {
    auto results = two_arms();
    results.rates[kHeadRmsNorm] = trials;
    const double measured = of_runs(results, "gain_at_edge_of_rates");
    if (std::isnan(gain)) {
      EXPECT_TRUE(std::isnan(measured)) << measured;
    } else {
      EXPECT_NEAR(measured, gain, 1e-12);
    }
  }
  auto without = two_arms();
  without.rates.erase(kHeadRmsNorm);
  EXPECT_TRUE(std::isnan(of_runs(without, "gain_at_edge_of_rates")));
}

TEST(TrainingChecks, MeasureWhatTheBaselineHadLeftToGain) {
  auto results = two_arms();
  const auto headroom = [&](double known) {
    SeedMeasure measure;
    results.lowest_known_loss = known;
    report_headroom(results, ComparedArms(results.own_rate, {kBaseline, kHeadRmsNorm}), measure);
    return value_of(measure, "headroom");
  };
  EXPECT_NEAR(headroom(3), 0.25, 1e-12);
  EXPECT_TRUE(std::isnan(headroom(0))) << "nothing is known";
  results.rates[kBaseline] = {{0.001, 2}, {0.003, 1}, {0.01, 2}};
  results.own_rate[kConstantGain] = runs_with_loss(kConstantGain, [](uint64_t, int64_t) { return 2.0; });
  results.shared_rate = results.own_rate;
  EXPECT_NEAR(headroom(3), 0.25, 1e-12) << "only the arms that are compared count";
  results.own_rate[kHeadRmsNorm][9] = run_of(kHeadRmsNorm, [](int64_t step) { return step == 50 ? 2.0 : 4.0; });
  EXPECT_NEAR(headroom(3), 0.5, 1e-12) << "at any time";
  EXPECT_TRUE(std::isnan(headroom(0)));
  stop(results, kBaseline, 1);
  EXPECT_NEAR(headroom(3), 0.5, 1e-12);
}

/// The checks of the baseline's sink, where `without` of its seeds end without one.
Measurement sink_checks(uint64_t without) {
  auto results = planted_training();
  for (uint64_t seed = 0; seed < without; ++seed)
    results.own_rate[kBaseline][seed].models.back() = {kSteps, planted_model(0, seed + 1)};
  Context context{Parameters{}};
  context.training = &results;
  TrainingClaim claim(std::move(context));
  const BaselineSink sink(claim, claim.compared({kBaseline}), results.validation(8, Region::measure));
  run(claim.plan(), {});
  SeedMeasure measure;
  sink.report(0.2, measure);
  return measure.take();
}

TEST(TrainingChecks, FindTheBaselinesSinkAndItsDominance) {
  const auto all = sink_checks(0), most = sink_checks(2), none = sink_checks(10);
  EXPECT_EQ(all.metrics[0].name, "baseline_seeds_with_sink");
  EXPECT_EQ(all.metrics[0].value, 10);
  EXPECT_EQ(most.metrics[0].value, 8);
  EXPECT_EQ(none.metrics[0].value, 0);
  EXPECT_EQ(all.metrics[1].name, "baseline_dominance_growth");
  EXPECT_GT(all.metrics[1].value, 2);
  EXPECT_LT(most.metrics[1].value, all.metrics[1].value);
  EXPECT_NEAR(none.metrics[1].value, 1, 1e-6);
}

}  // namespace
}  // namespace replicate
