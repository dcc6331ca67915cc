#include "harness/record/stages.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/special_numbers.h"

namespace replicate {
namespace {

using Layers = std::vector<int64_t>;

const StageRule kRule{.starts_at = 5, .ends_below = 3, .sink_excess = 0.2};

struct StageCase {
  const char* what;
  std::vector<double> ratio, excess;
  std::vector<SinkStage> stages;
  int64_t judged_spike;
};

const StageCase kStageCases[] = {
    {"no spike and no sink", {1, 1, 2}, {0, 0, 0.1}, {}, 0},
    {"one stage to the end", {1, 9, 9}, {0, 0.5, 0.6}, {{1, 2, 3, {2, 3}}}, 1},
    {"it goes on at 3 and ends below", {1, 5, 3, 2.9, 1}, {0, 0.2, 0.3, 0.4, 0}, {{1, 2, 3, {2, 3}}}, 1},
    {"4 does not start one", {1, 4, 4}, {0, 0.5, 0.5}, {}, 0},
    {"a run in layer 1 has no spike", {6, 6}, {0.5, 0.5}, {{0, 1, 2, {1, 2}}}, 0},
    {"two stages", {1, 7, 1, 8, 8}, {0, 0.3, 0, 0.6, 0.7}, {{1, 2, 2, {2}}, {3, 4, 5, {4, 5}}}, 1},
    {"the first without a sink", {1, 7, 1, 8}, {0, 0.1, 0, 0.6}, {{1, 2, 2, {}}, {3, 4, 4, {4}}}, 3},
    {"a sink without a spike", {1, 1, 1}, {0, 0.4, 0}, {}, 0},
    {"a spike without a sink", {1, 9, 9}, {0, 0.1, 0}, {{1, 2, 3, {}}}, 0},
    {"only the last layer", {1, 1, 5}, {0, 0, 0.2}, {{2, 3, 3, {3}}}, 2},
    {"NaN ends a stage", {1, 9, kNaN, 9}, {0, 0.5, 0.5, kNaN}, {{1, 2, 2, {2}}, {3, 4, 4, {}}}, 1},
    {"no layers", {}, {}, {}, 0},
};

TEST(Stages, AreRunsOfLayersAfterASpike) {
  for (const auto& test : kStageCases) {
    const auto stages = find_stages(test.ratio, test.excess, kRule);
    ASSERT_EQ(stages.size(), test.stages.size()) << test.what;
    for (size_t i = 0; i < stages.size(); ++i) {
      EXPECT_EQ(stages[i].spike, test.stages[i].spike) << test.what;
      EXPECT_EQ((Layers{stages[i].first, stages[i].last}), (Layers{test.stages[i].first, test.stages[i].last}))
          << test.what;
      EXPECT_EQ(stages[i].sinks, test.stages[i].sinks) << test.what;
    }
    const auto judged = stages_with_sinks(stages);
    EXPECT_EQ(judged.empty() ? 0 : judged.front().spike, test.judged_spike) << test.what;
  }
}

TEST(Stages, LeaveALayerOfLargestGrowthApartFromTheirSpikes) {
  const std::vector<SinkStage> one = {{.spike = 2, .first = 3, .last = 6}}, early = {{.first = 1, .last = 6}};
  const std::vector<double> ratio = {1, 2, 20, 60, 61, 90, 80};  // growth 2, 10, 3, 1.02, 1.5, 0.9
  EXPECT_EQ(largest_growth_apart(ratio, one), 5);                // 1, 2 and 3 are the spike and next to it
  EXPECT_EQ(largest_growth_apart(ratio, early), 2);              // a run from layer 1 on has no spike
  EXPECT_EQ(largest_growth_apart(ratio, {}), 2);
  EXPECT_EQ(largest_growth_apart(std::vector<double>{1, 2, 20, 60}, one), 0);
}

TEST(Stages, OfSeriesThatDoNotFitAreADefect) {
  expect_error(
      [] {
        find_stages(std::vector<double>{1, 2}, std::vector<double>{0.5}, kRule);
      },
      "2 norm ratios against 1");
}

}  // namespace
}  // namespace replicate
