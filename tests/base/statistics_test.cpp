#include "base/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/run_folder.h"
#include "tests/support/special_numbers.h"

namespace replicate {
namespace {

using Json = nlohmann::json;

constexpr double kParity = 1e-12;

const Json& golden() {
  static const Json json =
      Json::parse(read_text(std::filesystem::path(REPLICATE_SOURCE_DIR) / "tests/golden/statistics.json"));
  return json;
}

double number(const Json& json) { return json.is_null() ? kNaN : json.get<double>(); }

std::vector<double> numbers(const Json& json) {
  std::vector<double> values;
  for (const Json& value : json) values.push_back(number(value));
  return values;
}

/// Equal within 1e-12, relative above 1; NaN equals NaN.
void expect_parity(double actual, double expected, const std::string& what) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(actual)) << what << " is " << actual;
  } else {
    EXPECT_NEAR(actual, expected, kParity * std::max(1.0, std::abs(expected))) << what;
  }
}

TEST(Statistics, RankCorrelationsAgreeWithScipy) {
  ASSERT_GE(golden()["correlations"].size(), 20u);
  for (const Json& test : golden()["correlations"]) {
    const auto x = numbers(test["x"]), y = numbers(test["y"]);
    const std::string what = "n = " + std::to_string(x.size());
    expect_parity(spearman(x, y), number(test["spearman"]), "spearman, " + what);
    expect_parity(kendall_tau_b(x, y), number(test["kendall"]), "kendall, " + what);
    expect_parity(kendall_tau_b(y, x), number(test["kendall"]), "kendall turned round, " + what);
  }
}

TEST(Statistics, QuantilesAgreeWithNumpy) {
  for (const Json& test : golden()["quantiles"]) {
    const auto x = numbers(test["x"]), q = numbers(test["q"]);
    for (size_t i = 0; i < q.size(); ++i) {
      expect_parity(quantile(x, q[i]), number(test["quantiles"][i]), "q = " + std::to_string(q[i]));
    }
    expect_parity(mean(x), number(test["mean"]), "mean");
    expect_parity(median(x), number(test["median"]), "median");
  }
}

TEST(Statistics, EmptyAndNaNInputsGiveNaN) {
  EXPECT_TRUE(std::isnan(mean({})));
  EXPECT_TRUE(std::isnan(median({})));
  EXPECT_TRUE(std::isnan(quantile({1, kNaN, 3}, 0.5)));
  EXPECT_TRUE(std::isnan(spearman({}, {})));
  EXPECT_TRUE(std::isnan(kendall_tau_b(std::vector<double>{1}, std::vector<double>{2})));
}

TEST(Statistics, RefusesWhatMakesNoSense) {
  const std::vector<double> two = {1, 2}, three = {1, 2, 3};
  EXPECT_THROW(spearman(two, three), Error);
  EXPECT_THROW(kendall_tau_b(two, three), Error);
  EXPECT_THROW(quantile({1, 2}, 1.5), Error);
  EXPECT_THROW(quantile({1, 2}, kNaN), Error);
  EXPECT_THROW(Random(1).below(0), Error);
}

TEST(Statistics, KendallCountsEveryPairOfALongReversedList) {
  std::vector<double> x, y;
  for (int i = 0; i < 100000; ++i) {
    x.push_back(i);
    y.push_back(-i);
  }
  EXPECT_DOUBLE_EQ(kendall_tau_b(x, y), -1);  // 5e9 discordant pairs: more than 32 bits hold
}

TEST(Random, DrawsWhatTheReferenceDraws) {
  for (const Json& test : golden()["random"]) {
    const uint64_t seed = std::stoull(test["seed"].get<std::string>());
    Random raw(seed), bounded(seed);
    for (const Json& value : test["next"]) {
      EXPECT_EQ(raw.next(), std::stoull(value.get<std::string>()));
    }
    for (size_t i = 0; i < test["bounds"].size(); ++i) {
      EXPECT_EQ(bounded.below(std::stoull(test["bounds"][i].get<std::string>())),
                std::stoull(test["below"][i].get<std::string>()));
    }
  }
}

TEST(Random, PermutationsHoldEveryIndexOnceAndDiffer) {
  Random random(3);
  std::set<std::vector<int64_t>> seen;
  for (int i = 0; i < 100; ++i) {
    auto order = random.permutation(4);
    seen.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 3}));
  }
  EXPECT_GT(seen.size(), 20u);  // of 24; 100 draws miss more than 3 once in a blue moon
  EXPECT_TRUE(random.permutation(0).empty());
}

TEST(Random, SeedsDependOnSeedAndPurpose) {
  EXPECT_EQ(derive_seed(1, "inputs"), derive_seed(1, "inputs"));
  EXPECT_NE(derive_seed(1, "inputs"), derive_seed(2, "inputs"));
  EXPECT_NE(derive_seed(1, "inputs"), derive_seed(1, "bootstrap"));
  EXPECT_NE(derive_seed(1, ""), derive_seed(2, ""));
}

TEST(TInterval, AgreesWithScipy) {
  constexpr double kWithin = 1e-9;
  ASSERT_GE(golden()["t_intervals"].size(), 5u);
  for (const Json& test : golden()["t_intervals"]) {
    const auto values = numbers(test["values"]);
    const Estimate estimate = t_interval(values);
    EXPECT_NEAR(estimate.value, number(test["value"]), kWithin);
    EXPECT_NEAR(estimate.low, number(test["low"]), kWithin * std::max(1.0, std::abs(estimate.low)));
    EXPECT_NEAR(estimate.high, number(test["high"]), kWithin * std::max(1.0, std::abs(estimate.high)));
    EXPECT_EQ(estimate.n, static_cast<int64_t>(values.size()));
  }
}

TEST(TInterval, NeedsTwoValuesThatAreNumbers) {
  EXPECT_EQ(t_interval(std::vector<double>{3}).value, 3);
  EXPECT_TRUE(std::isnan(t_interval(std::vector<double>{3}).low));
  const Estimate diverged = t_interval(std::vector<double>{1, kNaN, 2});
  EXPECT_TRUE(std::isnan(diverged.value));
  EXPECT_TRUE(std::isnan(diverged.high));
  EXPECT_EQ(t_interval(std::vector<double>{2, 2, 2}).low, 2);
  EXPECT_THROW(t_interval({}), Error);
}

}  // namespace
}  // namespace replicate
