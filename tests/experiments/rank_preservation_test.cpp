// Rank preservation on training that never took place.

#include <gtest/gtest.h>

#include "harness/study/measures/effective_rank.h"
#include "tests/support/made_up_training.h"

namespace replicate {
namespace {

const std::vector<std::string> kFewTexts = {"validation.sequences=8"};

TrainingTrial ranks_of(const TrainingResults& results) { return judged("rank_preservation", results, kFewTexts); }

/// exp(entropy of the singular values) of rows [n, D].
double rank_of_tokens_by_svd(const Tensor& rows) {
  const auto s = at::linalg_svdvals(rows.to(at::kDouble));
  const auto p = s / s.sum();
  return (-(p * p.log()).sum()).exp().item<double>();
}

/// Hidden states [n, D] without those of more than 5 median norms.
Tensor without_massive(const Tensor& rows) {
  const auto norms = rows.norm(2, {-1}).to(at::kDouble);
  return rows.index({norms <= 5 * at::quantile(norms, 0.5)});
}

TEST(RankOfTokens, AgreesWithSingularValuesOfTheFirstTokens) {
  const auto model = planted_model(1);
  const auto tokens = random_tokens(6, 20, 200);
  const auto rank = std::make_shared<RankOfTokens>(90);
  const auto hidden = residual();
  run({{model, tokens, {}, {rank, hidden}}}, {.batch_tokens = 40});
  ASSERT_EQ(rank->layers().size(), 6U);
  for (int64_t layer = 1; layer <= 6; ++layer) {
    const auto rows = hidden->layer(layer).flatten(0, 1).slice(0, 0, 90);
    EXPECT_NEAR(rank->layers()[layer - 1], rank_of_tokens_by_svd(rows), 1e-4) << layer;
    EXPECT_NEAR(rank->layers_without_massive()[layer - 1], rank_of_tokens_by_svd(without_massive(rows)), 1e-4) << layer;
  }
  EXPECT_EQ(without_massive(hidden->layer(6).flatten(0, 1).slice(0, 0, 90)).size(0), 85);  // position 0 of 5 texts
}

TEST(RankPreservation, PassesWhereTheArmKeepsTheRankThatASpikeTakes) {
  const auto trial = ranks_of(planted_training());
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_GT(trial.value("relative_rank_difference"), 0.074);
  EXPECT_LT(trial.value("relative_rank_difference_without_massive"), trial.value("relative_rank_difference"));
  EXPECT_LT(trial.value("effective_rank_baseline"), trial.value("effective_rank_head_rms_norm"));
  EXPECT_EQ(trial.series("effective_rank", "baseline").y.size(), 6U);
}

TEST(RankPreservation, FailsWhereTheArmHasTheLargerSpike) {
  auto results = planted_training();
  results.own_rate[kHeadRmsNorm] =
      std::exchange(results.own_rate[kBaseline], runs_with_models(kBaseline, [](uint64_t seed) {
                      return Models{planted_model(0, seed), planted_model(0.5, seed)};
                    }));
  const auto trial = ranks_of(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_LT(trial.value("relative_rank_difference"), 0);
}

TEST(RankPreservation, FailsWhereBothArmsAreAlike) {
  auto results = planted_training();
  results.own_rate[kHeadRmsNorm] = results.own_rate[kBaseline];
  const auto trial = ranks_of(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.value("relative_rank_difference"), 0);
}

TEST(RankPreservation, IsOpenWhereTheBaselineHasNoSink) {
  auto results = planted_training();
  std::swap(results.own_rate[kBaseline], results.own_rate[kHeadRmsNorm]);
  const auto trial = ranks_of(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(trial.judgement.reason.rfind(
                "too few seeds of the baseline have a sink that could lower its rank: baseline_seeds_with", 0),
            0U)
      << trial.judgement.reason;
}

TEST(RankPreservation, IsOpenWithFourSeedsAndNotJudgedWithoutTheArm) {
  const auto few = ranks_of(planted_training(kHeadRmsNorm, 4));
  EXPECT_EQ(few.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(few.judgement.reason.find("has too few units: 4"), std::string::npos) << few.judgement.reason;
  auto alone = planted_training();
  alone.own_rate.erase(kHeadRmsNorm);
  const auto without = ranks_of(alone);
  EXPECT_EQ(without.judgement.verdict, Verdict::not_run);
  EXPECT_NE(without.judgement.reason.find("does not train head_rms_norm"), std::string::npos);
}

TEST(RankPreservation, CountsADivergedSeedAgainstTheClaimAndBearsTwo) {
  auto results = planted_training();
  stop(results, kHeadRmsNorm, 2);
  stop(results, kBaseline, 7);
  const auto two = ranks_of(results);
  EXPECT_TRUE(two.notes("Seed 2 of head_rms_norm did not reach its end: the loss was no number at step 40."));
  EXPECT_EQ(two.find("relative_rank_difference")->n, 8);
  const Samples& samples = two.measurement.samples.front();
  EXPECT_EQ(samples.metric, "relative_rank_difference");
  EXPECT_TRUE(std::isnan(samples.values[1]) && std::isnan(samples.values[6]));
  EXPECT_NE(two.judgement.verdict, Verdict::fail);
  EXPECT_EQ(two.judgement.reason.find("diverged"), std::string::npos) << two.judgement.reason;
  stop(results, kBaseline, 8);
  const auto three = ranks_of(results);
  EXPECT_EQ(three.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(three.judgement.reason, "too many runs diverged: diverged_seeds = 3, must be <= 2");
}

TEST(RankPreservation, IsOpenWhereABetterRateMayLieBeyondTheGrid) {
  auto results = planted_training();
  results.rates[kHeadRmsNorm] = {{0.001, 4}, {0.003, 3.5}, {0.01, 3.4}};
  EXPECT_NE(ranks_of(results).judgement.reason.find("a better learning rate may lie beyond"), std::string::npos);
}

}  // namespace
}  // namespace replicate
