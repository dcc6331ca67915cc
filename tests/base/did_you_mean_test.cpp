#include "base/did_you_mean.h"

#include <gtest/gtest.h>

namespace replicate {
namespace {

TEST(DidYouMean, SuggestsTheClosestOrListsAll) {
  const std::vector<std::string> names = {"sink_onset", "rank_collapse", "dimension_disparity"};
  EXPECT_EQ(did_you_mean("sink_onst", names), "did you mean 'sink_onset'?");
  EXPECT_EQ(did_you_mean("rank_colapse", names), "did you mean 'rank_collapse'?");
  EXPECT_EQ(did_you_mean("onset", names), "did you mean 'sink_onset'?");
  EXPECT_EQ(did_you_mean("xyzzy", names), "choose one of sink_onset, rank_collapse, dimension_disparity");
  EXPECT_EQ(did_you_mean("", names), "choose one of sink_onset, rank_collapse, dimension_disparity");
  EXPECT_EQ(did_you_mean("x", {}), "there is none");
  EXPECT_EQ(did_you_mean(std::string(1 << 20, 'x'), names).rfind("choose one of", 0), 0u);
  EXPECT_LT(did_you_mean("q", std::vector<std::string>(1000, "candidate")).size(), 300u);
}

}  // namespace
}  // namespace replicate
