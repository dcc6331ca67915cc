#include "harness/study/measures/mean_tau.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/statistics.h"

namespace replicate {
namespace {

/// Small whole numbers, so that there are ties.
template <typename T>
std::vector<T> draw(size_t n, uint64_t kinds, uint64_t seed) {
  Random random(seed);
  std::vector<T> values;
  for (size_t i = 0; i < n; ++i) values.push_back(static_cast<T>(random.below(kinds)));
  return values;
}

double mean_of_taus(const std::vector<float>& rows, const std::vector<double>& values) {
  std::vector<double> taus;
  for (size_t i = 0; i < rows.size(); i += values.size()) {
    const std::vector<double> row(rows.begin() + i, rows.begin() + i + values.size());
    taus.push_back(kendall_tau_b(row, values));
  }
  return mean(taus);
}

TEST(MeanTau, IsTheMeanOfEachRowsTauWithAndWithoutTies) {
  for (const uint64_t kinds : {3U, 12U, 1000000U}) {
    const auto rows = draw<float>(7 * 40, kinds, 1);
    const auto values = draw<double>(40, kinds, 2);
    EXPECT_NEAR(MeanTau(rows, 40)(values), mean_of_taus(rows, values), 1e-12) << kinds;
  }
}

TEST(MeanTau, OfARowWithItselfIsOneAndWithItsReverseMinusOne) {
  const std::vector<float> row{0.5F, 3, -1, 2};
  EXPECT_NEAR(MeanTau(row, 4)(std::vector<double>{0.5, 3, -1, 2}), 1, 1e-12);
  EXPECT_NEAR(MeanTau(row, 4)(std::vector<double>{-0.5, -3, 1, -2}), -1, 1e-12);
}

TEST(MeanTau, DoesNotExistForConstants) {
  const std::vector<float> row{1, 2, 3}, constant{1, 1, 1};
  EXPECT_TRUE(std::isnan(MeanTau(row, 3)(std::vector<double>{5, 5, 5})));
  EXPECT_TRUE(std::isnan(MeanTau(constant, 3)(std::vector<double>{1, 2, 3})));
  EXPECT_TRUE(std::isnan(MeanTau(row, 3)(std::vector<double>{1, std::nan(""), 3})));
}

}  // namespace
}  // namespace replicate
