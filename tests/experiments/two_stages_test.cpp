// Claims that are bound to a spike, on a model that has two spikes with a sink after each.

#include <gtest/gtest.h>

#include "tests/support/planted_deep.h"

namespace replicate {
namespace {

constexpr Sizes kTwoStageSizes{.sequences = 32, .length = 64};

ChooseStages stage_after(int64_t spike) {
  return [spike](std::vector<SinkStage> stages) {
    std::erase_if(stages, [spike](const SinkStage& stage) { return stage.spike != spike; });
    return stages;
  };
}

std::vector<SinkStage> every_stage(std::vector<SinkStage> stages) { return stages; }

TEST(TwoStages, AreFoundWithTheirSinksAndWriters) {
  for (const uint64_t seed : {1, 2, 3}) {
    const auto survey = ExperimentBench(two_stage_model(seed), {}, seed).survey();
    ASSERT_EQ(survey.stages.size(), 2U) << seed;
    EXPECT_EQ(survey.stages[0].spike, kPlantedSpike);
    EXPECT_EQ(survey.stages[0].sinks, (std::vector<int64_t>{3, 4}));
    EXPECT_EQ(survey.stages[1].spike, kSecondSpike);
    EXPECT_EQ(survey.stages[1].sinks, (std::vector<int64_t>{6, 7, 8}));
  }
}

class AtBothStages : public testing::TestWithParam<std::string> {};

TEST_P(AtBothStages, IsJudgedAsThePlantedModelIs) {
  static ExperimentBench bench(two_stage_model(), kTwoStageSizes);
  for (const int64_t spike : {kPlantedSpike, kSecondSpike}) {
    const auto trial = bench.run(GetParam(), {}, stage_after(spike));
    EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << spike << ": " << trial.judgement.reason;
    const auto& metrics = trial.measurement.metrics;
    EXPECT_TRUE(std::ranges::any_of(metrics, [&](const Metric& metric) {
      const auto at = metric.where.find("spike");
      return at != metric.where.end() && at->second == spike;
    })) << spike;
  }
}

INSTANTIATE_TEST_SUITE_P(Claim, AtBothStages,
                         testing::Values("super_neuron_alignment", "dimension_disparity", "qk_locking",
                                         "mask_induced_sink", "variance_scaling", "disparity_mediation",
                                         "falsification_densify", "discrepancy_amplification"),
                         [](const auto& info) { return info.param; });

/// Only the first stage has lost its sink when its super neuron is silent, since the second one has another writer.
TEST(TwoStages, ASpikeIsEditedAloneOrWithTheOther) {
  ExperimentBench bench(two_stage_model(), kTwoStageSizes);
  for (const auto& choose : {stage_after(kPlantedSpike), stage_after(kSecondSpike), ChooseStages(every_stage)}) {
    EXPECT_GT(metric_in(bench.run("falsification", {}, choose), "removed_share_zero").value, 0.8);
  }
}

}  // namespace
}  // namespace replicate
