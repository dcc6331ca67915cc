#include "base/mean_test.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/statistics.h"
#include "base/text_file.h"

namespace replicate {
namespace {

using Numbers = std::vector<double>;

/// Written by tests/reference/make_mean_test.py.
nlohmann::json mean_test_cases() {
  return nlohmann::json::parse(read_text(std::filesystem::path(REPLICATE_SOURCE_DIR) / "tests/golden/mean_test.json"));
}

TEST(MeanTest, AgreesWithScipy) {
  for (const auto& expected : mean_test_cases()) {
    const MeanTest test(expected["x"].get<Numbers>());
    const auto [low, high] = test.interval();
    EXPECT_NEAR(low, expected["low"], 1e-9);
    EXPECT_NEAR(high, expected["high"], 1e-9);
    for (const auto& at : expected["tests"]) {
      EXPECT_NEAR(test.p_above(at["c"]), at["p_above"], 1e-10) << at;
      EXPECT_NEAR(test.p_below(at["c"]), at["p_below"], 1e-10) << at;
    }
  }
}

TEST(MeanTest, RejectsExactlyWhatLiesOutsideItsInterval) {
  const Numbers x = {0.2, 0.9, 1.4, 0.3, 5.0, 0.8, 0.7, 1.1};
  const MeanTest test(x);
  const auto [low, high] = test.interval();
  EXPECT_NEAR(test.p_above(low), 0.025, 1e-12);
  EXPECT_NEAR(test.p_below(high), 0.025, 1e-12);
  EXPECT_LT(low, test.mean());
  EXPECT_GT(high, test.mean());
}

TEST(MeanTest, MirroredUnitsHaveTheMirroredP) {
  const Numbers x = {0.2, 0.9, 1.4, 0.3, 5.0, 0.8}, mirrored = {-0.2, -0.9, -1.4, -0.3, -5.0, -0.8};
  EXPECT_DOUBLE_EQ(MeanTest(x).p_above(0.7), MeanTest(mirrored).p_below(-0.7));
}

TEST(MeanTest, ShowsNoMoreThanItsUnitsCan) {
  const Numbers apart = {100, 101, 102, 103, 104, 105, 106, 107};
  EXPECT_EQ(MeanTest(apart).p_above(0), least_p(8));
  const Numbers alike(16, 0.3);
  EXPECT_EQ(MeanTest(alike).p_above(0.2), least_p(16));
  EXPECT_EQ(MeanTest(alike).p_below(0.2), 1);
  EXPECT_EQ(MeanTest(alike).p_above(0.3), 1);
  EXPECT_EQ(MeanTest(alike).interval().low, 0.3);
  EXPECT_EQ(MeanTest(alike).interval().high, 0.3);
}

TEST(MeanTest, HasNoValueWhereThereIsNothingToTest) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  for (const Numbers& x :
       {Numbers{}, Numbers{1}, Numbers{1, NAN}, Numbers{1, kInfinite}, Numbers{kInfinite, -kInfinite}}) {
    const MeanTest test(x);
    EXPECT_TRUE(std::isnan(test.p_above(0))) << x.size();
    EXPECT_TRUE(std::isnan(test.p_below(0)));
    EXPECT_TRUE(std::isnan(test.interval().low));
  }
  EXPECT_TRUE(std::isnan(MeanTest(Numbers{1, 2}).p_above(NAN)));
}

// How often the interval holds the truth, for units of several kinds.

class Draws {
 public:
  explicit Draws(uint64_t seed) : random_(seed) {}
  double uniform() { return (static_cast<double>(random_.next() >> 11) + 0.5) * 0x1p-53; }
  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform()); }

 private:
  Random random_;
};

struct Population {
  const char* name;
  double mean;
  double (*draw)(Draws&);
  double least_coverage;
};

std::ostream& operator<<(std::ostream& out, const Population& population) { return out << population.name; }

constexpr double kTwoStates = 0.25;
const Population kPopulations[] = {
    {"normal", 0, [](Draws& draws) { return draws.normal(); }, 0.93},
    {"lognormal_0_5", std::exp(0.125), [](Draws& draws) { return std::exp(0.5 * draws.normal()); }, 0.93},
    {"two_states", kTwoStates, [](Draws& draws) { return draws.uniform() < kTwoStates ? 1.0 : 0.0; }, 0.93},
    {"lognormal_1", std::exp(0.5), [](Draws& draws) { return std::exp(draws.normal()); }, 0.9},  // a harder case
};

class Coverage : public testing::TestWithParam<std::tuple<Population, int64_t>> {};

TEST_P(Coverage, IsThatOfItsConfidence) {
  const auto& [population, n] = GetParam();
  constexpr int kSamples = 20'000;
  Draws draws(1);
  constexpr double kLevel = 0.003;  // of claims about pre-trained models
  int covered = 0, false_above = 0, false_below = 0;
  for (int i = 0; i < kSamples; ++i) {
    Numbers x(static_cast<size_t>(n));
    for (auto& value : x) value = population.draw(draws);
    const MeanTest test(x);
    const auto [low, high] = test.interval();
    covered += low <= population.mean && population.mean <= high;
    false_above += test.p_above(population.mean) <= kLevel;
    false_below += test.p_below(population.mean) <= kLevel;
  }
  const double coverage = static_cast<double>(covered) / kSamples;
  RecordProperty("coverage", std::to_string(coverage));
  std::cout << population.name << ", n " << n << ": coverage " << coverage << "; false at " << kLevel << ": above "
            << static_cast<double>(false_above) / kSamples << ", below " << static_cast<double>(false_below) / kSamples
            << "\n";
  EXPECT_GE(coverage, population.least_coverage);
}

INSTANTIATE_TEST_SUITE_P(MeanTest, Coverage, testing::Combine(testing::ValuesIn(kPopulations), testing::Values(16, 32)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) + "_" +
                                  std::to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace replicate
