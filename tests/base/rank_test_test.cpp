#include "base/rank_test.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text_file.h"

namespace replicate {
namespace {

using Group = std::vector<double>;

TEST(RankTest, AgreesWithScipyAndWithCountingAllGroups) {
  // Written by tests/reference/make_rank_test.py.
  const auto file = std::filesystem::path(REPLICATE_SOURCE_DIR) / "tests/golden/rank_test.json";
  const auto cases = nlohmann::json::parse(read_text(file));
  ASSERT_EQ(cases.size(), 7U);
  for (const auto& expected : cases) {
    const RankTest test(expected["first"].get<Group>(), expected["second"].get<Group>());
    EXPECT_NEAR(test.auc(), expected["auc"], 1e-12);
    EXPECT_NEAR(test.p_above(), expected["p_above"], 1e-12);
    EXPECT_NEAR(test.p_below(), expected["p_below"], 1e-12);
  }
}

TEST(RankTest, OfExchangedGroupsIsMirrored) {
  const Group a = {0.3, 2.5, 1.1, 4.0}, b = {0.2, 0.9, 1.1, 3.0, 0.1};
  const RankTest one(a, b), other(b, a);
  EXPECT_NEAR(one.auc(), 1 - other.auc(), 1e-15);
  EXPECT_NEAR(one.p_above(), other.p_below(), 1e-12);
}

TEST(RankTest, FindsGroupsApartInTheRarestOfAllChoices) {
  const Group high = {9, 8, 7, 6, 5, 4}, low = {3, 2, 1, 0, -1, -2};
  EXPECT_EQ(RankTest(high, low).auc(), 1);
  EXPECT_NEAR(RankTest(high, low).p_above(), 1.0 / 924, 1e-15);  // 12 choose 6
  EXPECT_NEAR(RankTest(high, low).p_below(), 1, 1e-12);
}

TEST(RankTest, HasNoValueWithoutTwoGroupsOfNumbers) {
  for (const auto& [first, second] :
       {std::pair<Group, Group>{{}, {1}}, std::pair<Group, Group>{{1}, {}}, std::pair<Group, Group>{{1, NAN}, {2}}}) {
    EXPECT_TRUE(std::isnan(RankTest(first, second).auc()));
    EXPECT_TRUE(std::isnan(RankTest(first, second).p_above()));
    EXPECT_TRUE(std::isnan(RankTest(first, second).p_below()));
  }
}

}  // namespace
}  // namespace replicate
