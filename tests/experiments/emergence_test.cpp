// Can a sink be foreseen? On training that never took place.

#include <gtest/gtest.h>

#include "tests/support/made_up_training.h"

namespace replicate {
namespace {

TrainingTrial of_seeds(const TrainingResults& results, const std::string& early = "0.5") {
  return judged("emergence", results, {"validation.sequences=8", "early=" + early});
}

TEST(Emergence, PassesWhereTheNeuronTellsWhichSeedsGetASink) {
  const auto trial = of_seeds(foreseen_training());
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.value("early_selectivity_auc"), 1);
  EXPECT_NEAR(trial.value("early_selectivity_rank_p"), 1 / 2704156.0, 1e-12);  // 24 choose 12
  EXPECT_EQ(trial.value("seeds_ending_with_sink"), 12);
  EXPECT_EQ(trial.value("seeds_with_early_sink"), 0) << "the neuron is there before it writes";
}

TEST(Emergence, SaysWhereASinkForetellsItself) {
  auto results = foreseen_training();
  auto& runs = results.own_rate[kBaseline];
  for (size_t seed = 0; seed < runs.size(); seed += 2) runs[seed].models[1] = {kSteps / 2, runs[seed].models[2].model};
  const auto trial = of_seeds(results);
  EXPECT_EQ(trial.value("seeds_with_early_sink"), 12);
  EXPECT_EQ(trial.value("early_excess_auc"), 1);
  std::swap(runs[0].models[1].model, runs[1].models[1].model);  // one that ends without it has it early
  const auto swapped = of_seeds(results);
  EXPECT_EQ(swapped.value("seeds_with_early_sink"), 12);
  EXPECT_LT(swapped.value("early_excess_auc"), 0.995);  // that pair is in the wrong order, and two more rows are open
  EXPECT_GE(swapped.value("early_excess_auc"), 121 / 144.0);
}

TEST(Emergence, FailsWhereTheOtherSeedsHaveTheNeuron) {
  auto results = foreseen_training();
  auto& runs = results.own_rate[kBaseline];
  for (size_t seed = 0; seed + 1 < runs.size(); seed += 2) std::swap(runs[seed].models[1], runs[seed + 1].models[1]);
  const auto trial = of_seeds(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.value("early_selectivity_auc"), 0);
  EXPECT_NEAR(trial.value("early_selectivity_rank_p"), 1 - 1 / 2704156.0, 1e-12);
}

TEST(Emergence, IsOpenWhereHalfOfTheNeuronsAreInTheWrongSeeds) {
  auto results = foreseen_training();
  auto& runs = results.own_rate[kBaseline];
  for (size_t seed = 0; seed + 1 < runs.size(); seed += 4) std::swap(runs[seed].models[1], runs[seed + 1].models[1]);
  const auto trial = of_seeds(results);
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive) << trial.judgement.reason;
}

TEST(Emergence, IsOpenWhereSeedsEndAlikeOrAreFew) {
  const auto alike = of_seeds(planted_training(kHeadRmsNorm, 24), "0");
  EXPECT_EQ(alike.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(alike.judgement.reason.find("nearly all seeds end alike: seeds_ending_with_sink = 24"), std::string::npos)
      << alike.judgement.reason;
  auto diverged = foreseen_training(24);
  for (const uint64_t seed : {2, 4, 6}) stop(diverged, kBaseline, seed);
  const auto few = of_seeds(diverged);
  EXPECT_EQ(few.judgement.reason.rfind("too few seeds of the baseline: seeds_observed = 21, must be >= 22", 0), 0U)
      << few.judgement.reason;
}

TEST(Emergence, IsNotJudgedWhereNoStateWasKeptEarly) {
  const auto trial = of_seeds(foreseen_training(4), "0.1");
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_run);
  EXPECT_EQ(trial.judgement.reason, "no weights were kept after 10% of the steps");
}

TEST(Emergence, DescribesWhatAppearsWhen) {
  auto results = foreseen_training(4);
  auto& runs = results.own_rate[kBaseline];
  runs[1] = runs[3] = runs[2] = runs[0];
  const auto trial = of_seeds(results);
  EXPECT_EQ(trial.value("tokens_until_selective_neuron"), results.tokens(50));
  EXPECT_EQ(trial.value("tokens_until_spike"), results.tokens(100));
  EXPECT_EQ(trial.value("tokens_until_sink"), results.tokens(100));
  EXPECT_EQ(trial.value("seeds_with_sink"), 4);
  // The rank falls with the neuron already: layer 1 then writes a direction that all positions share.
  EXPECT_TRUE(
      trial.notes("In baseline the signs appear in this order: the selective neuron (0.32 million tokens), then the "
                  "drop in rank (0.32 million tokens), then the spike (0.64 million tokens), then the sink (0.64"))
      << trial.all_notes();
  EXPECT_EQ(trial.series("largest_selectivity", "baseline").y.size(), 3U);
  EXPECT_EQ(trial.find("early_selectivity_predicts_sink"), nullptr) << "six layers are too few to say where";
}

TEST(Emergence, SaysWhatNeverAppears) {
  auto results = planted_training();
  std::swap(results.own_rate[kBaseline], results.own_rate[kHeadRmsNorm]);
  const auto trial = of_seeds(results);
  EXPECT_EQ(trial.value("seeds_with_sink"), 0);
  EXPECT_EQ(trial.find("tokens_until_sink"), nullptr);
  EXPECT_TRUE(trial.notes("; never the spike, the sink")) << trial.all_notes();
  EXPECT_EQ(trial.value("seeds_with_sink_head_rms_norm"), 10);
}

}  // namespace
}  // namespace replicate
