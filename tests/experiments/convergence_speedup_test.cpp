// Losses and tokens of training that never took place.

#include <gtest/gtest.h>

#include "tests/support/made_up_training.h"

namespace replicate {
namespace {

TrainingTrial of_losses(const TrainingResults& results) { return judged("convergence_speedup", results); }

TEST(ConvergenceSpeedup, PassesForAFasterArm) {
  const auto results = faster_training();
  const auto trial = of_losses(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  // The baseline ends its constant rate at step 80 with a loss lower by 0.8; the arm has that at step 64.
  EXPECT_NEAR(trial.value("log_tokens_to_baseline_loss"), std::log(0.8), 1e-9);
  double expected = 0;  // the baseline ends at 3.5 + 0.01 seed, the arm 0.25 below
  for (int seed = 1; seed <= 10; ++seed) expected -= 0.25 / (3.5 + 0.01 * seed) / 10;
  EXPECT_NEAR(trial.value("relative_loss_difference"), expected, 1e-9);
  EXPECT_EQ(trial.find("relative_loss_difference")->n, 10);
}

TEST(ConvergenceSpeedup, FailsForASlowerArmThatNeverGetsThere) {
  const auto trial = of_losses(faster_training(0.008));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_NEAR(trial.value("log_tokens_to_baseline_loss"), std::log(2), 1e-12);
}

TEST(ConvergenceSpeedup, FailsForAGainThatIsTooSmall) {
  auto results = faster_training();
  results.own_rate[kHeadRmsNorm] = falling_runs(kHeadRmsNorm, 0.01, 0.005);  // 0.14%
  const auto trial = of_losses(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.reason.rfind("relative_loss_difference = -0.0014", 0), 0U) << trial.judgement.reason;
}

/// Before the decay the arm lies 0.001 above the baseline, so it never gets there; at the end by `above(seed)`.
TrainingResults never_there(const std::function<double(uint64_t)>& above) {
  auto results = faster_training();
  results.own_rate[kHeadRmsNorm] = runs_with_loss(kHeadRmsNorm, [=](uint64_t seed, int64_t step) {
    const double baseline = 5 + 0.01 * static_cast<double>(seed) - 0.01 * static_cast<double>(step) - decayed(step);
    return baseline + (step == kSteps ? above(seed) : 0.001);
  });
  return results;
}

TEST(ConvergenceSpeedup, ContradictsOnlyWhereTheLossDoes) {
  // At the end every second arm lies 0.7% below the baseline: 0.35% on average, which is open.
  const auto by_tokens = of_losses(never_there([](uint64_t seed) { return seed % 2 == 0 ? 0 : -0.025; }));
  EXPECT_EQ(by_tokens.judgement.verdict, Verdict::fail);
  EXPECT_EQ(by_tokens.judgement.reason.rfind("log_tokens_to_baseline_loss", 0), 0U) << by_tokens.judgement.reason;
  EXPECT_EQ(by_tokens.judgement.bearing, Bearing::silent);
  const auto by_both = of_losses(never_there([](uint64_t seed) { return 0.001 * static_cast<double>(seed); }));
  EXPECT_EQ(by_both.judgement.verdict, Verdict::fail);
  EXPECT_EQ(by_both.judgement.bearing, Bearing::contradicts);
}

TEST(ConvergenceSpeedup, SaysOneOfTwoEqualArmsHoweverNoisy) {
  auto results = faster_training();
  for (auto& [arm, runs] : results.own_rate) {
    runs = runs_with_loss(arm, [](uint64_t seed, int64_t step) {
      return 5 + static_cast<double>(seed) - 0.01 * static_cast<double>(step) +
             0.2 * static_cast<double>((step / kEvery) % 2);
    });
  }
  EXPECT_NEAR(of_losses(results).value("log_tokens_to_baseline_loss"), 0, 1e-12);
}

TEST(ConvergenceSpeedup, IsOpenOnAnExhaustedTask) {
  auto results = faster_training(0.0105);
  results.lowest_known_loss = 3.5;
  const auto trial = of_losses(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(trial.judgement.reason.rfind(
                "the baseline is not known to have enough left to gain on this data: headroom = 0.02", 0),
            0U)
      << trial.judgement.reason;
  results.lowest_known_loss = 2;
  EXPECT_EQ(of_losses(results).judgement.verdict, Verdict::pass);
}

/// Runs that end with the validation losses of the paper's figure 16; 0.01 nats lie between the lowest and the highest
/// seed.
TrainingResults of_the_paper(double lowest_known_loss) {
  auto results = results_for(small_model()->config);
  const auto ending_at = [](const std::string& arm, double end) {
    return runs_with_loss(arm, [=](uint64_t seed, int64_t step) {
      return end + 0.001 * static_cast<double>(seed) + 0.01 * static_cast<double>(kSteps - step);
    });
  };
  results.own_rate[kBaseline] = ending_at(kBaseline, 2.7812);
  results.own_rate[kHeadRmsNorm] = ending_at(kHeadRmsNorm, 2.7421);
  results.lowest_known_loss = lowest_known_loss;
  return results;
}

TEST(ConvergenceSpeedup, PassesWithThePapersNumbersWhereALowerLossIsKnown) {
  const auto trial = of_losses(of_the_paper(2.3));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::supports);
  EXPECT_NEAR(trial.value("headroom"), 0.174, 1e-3);
}

TEST(ConvergenceSpeedup, SaysThatNothingIsKnownWhereNoLossIs) {
  for (const double slope : {0.008, 0.0125, 0.02}) {  // however slow or fast the arm is
    auto results = faster_training(slope);
    results.lowest_known_loss = 0;
    const auto trial = of_losses(results);
    EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive) << slope;
    EXPECT_EQ(trial.judgement.reason.rfind("how much of the loss is left to gain is not known; set "
                                           "training.lowest_known_loss to the lowest loss that any model of any size "
                                           "reached on this data: lowest_known_loss = 0",
                                           0),
              0U)
        << trial.judgement.reason;
  }
}

TEST(ConvergenceSpeedup, DoesNotDependOnWhichOtherArmsWereTrained) {
  auto alone = of_the_paper(2.7);
  auto with_others = alone;
  with_others.own_rate[kGatedAttention] = runs_with_loss(kGatedAttention, [](uint64_t, int64_t) { return 1.0; });
  with_others.shared_rate[kHeadRmsNorm] = with_others.own_rate[kGatedAttention];
  with_others.rates[kGatedAttention] = with_others.rates[kDenseDown] = {{0.001, 2}, {0.003, 1}, {0.01, 2}};
  const auto one = of_losses(alone), other = of_losses(with_others);
  EXPECT_EQ(one.judgement.verdict, Verdict::inconclusive) << "2.7 is too near to the baseline's loss";
  EXPECT_EQ(one.judgement.reason, other.judgement.reason);
  EXPECT_EQ(one.value("headroom"), other.value("headroom"));
}

TEST(ConvergenceSpeedup, SetsConstantGainsAndTheBaselineItselfBesideTheArm) {
  auto results = faster_training();
  results.own_rate[kConstantGain] = falling_runs(kConstantGain, 0.011);
  results.own_rate[kBaselineAgain] = falling_runs(kBaselineAgain, 0.01);
  results.shared_rate[kBaseline] = results.own_rate[kBaseline];
  results.shared_rate[kHeadRmsNorm] = falling_runs(kHeadRmsNorm, 0.012);
  const auto trial = of_losses(results);
  EXPECT_EQ(trial.value("relative_loss_difference_baseline_again"), 0);
  EXPECT_NEAR(trial.value("log_tokens_to_baseline_loss_constant_gain"), -std::log(1.1), 1e-9);
  EXPECT_NEAR(trial.value("final_loss_difference"), -0.25, 1e-9);
  EXPECT_NEAR(trial.value("final_loss_difference_constant_gain"), -0.1, 1e-9);
  EXPECT_NEAR(trial.value("final_loss_difference_shared_rate"), -0.2, 1e-9);
  EXPECT_NEAR(trial.value("final_train_loss_difference"), -0.25, 1e-9);
  EXPECT_EQ(trial.judgement.criteria.size(), 2U);
}

TEST(ConvergenceSpeedup, DescribesCurvesAndRates) {
  const auto trial = of_losses(faster_training());
  EXPECT_NEAR(trial.value("tokens_per_run"), 100 * 100 * 64, 0);
  EXPECT_EQ(trial.value("seeds"), 10);
  EXPECT_EQ(trial.series("validation_loss", "baseline").x.back(), 640000);
  EXPECT_EQ(trial.series("train_loss", "baseline").x.front(), 64000);
  EXPECT_EQ(trial.series("validation_loss_difference", kHeadRmsNorm).x.front(), 128000);  // the steep part is left out
  EXPECT_EQ(trial.series("rate_sweep", "baseline").y[1], 999);
  EXPECT_EQ(trial.value("learning_rate_baseline"), 0.003);
}

TEST(ConvergenceSpeedup, KeepsTheCurveOfARunThatDiverged) {
  auto results = faster_training();
  stop(results, kHeadRmsNorm, 2);
  const auto trial = of_losses(results);
  EXPECT_TRUE(trial.notes("Seed 2 of head_rms_norm did not reach its end: the loss was no number at step 40."))
      << trial.all_notes();
  EXPECT_EQ(trial.find("relative_loss_difference")->n, 9);
  EXPECT_TRUE(std::isnan(trial.value("final_loss_difference")));
  const auto& curve = trial.series("validation_loss", kHeadRmsNorm);
  EXPECT_FALSE(std::isnan(curve.y[4]));
  EXPECT_TRUE(std::isnan(curve.y[5]));
}

TEST(ConvergenceSpeedup, IsNotJudgedWithoutTheArm) {
  auto results = faster_training();
  results.own_rate[kHeadRmsNorm].clear();
  const auto without = of_losses(results);
  EXPECT_EQ(without.judgement.verdict, Verdict::not_run);
  EXPECT_NE(without.judgement.reason.find("does not train head_rms_norm"), std::string::npos);
  const auto nothing = of_losses(results_for(small_model()->config));
  EXPECT_NE(nothing.judgement.reason.find("does not train baseline"), std::string::npos);
}

}  // namespace
}  // namespace replicate
