// What an intervention changes at other positions, on numbers that can be followed by hand.

#include <gtest/gtest.h>

#include <cmath>

#include "harness/study/measures/moved_neurons.h"
#include "harness/study/measures/row_comparison.h"

namespace replicate {
namespace {

/// One sequence, head and row, and the same weighted: [1, 2, 1, 1, T].
Tensor one_row(const std::vector<double>& attention, const std::vector<double>& weighted) {
  return at::stack({at::tensor(attention, at::kDouble), at::tensor(weighted, at::kDouble)}).view({1, 2, 1, 1, -1});
}

double entropy_of(std::initializer_list<double> shares) {
  double sum = 0;
  for (const double p : shares) sum -= p * std::log(p);
  return sum;
}

/// Columns 0 and 2 do not count, whatever they hold.
TEST(ChangeOfRest, IsThatOfTheOtherColumns) {
  const auto before = one_row({0.5, 0.1, 0.2, 0.1, 0.1}, {9, 2, 9, 1, 1});
  const auto after = one_row({0.1, 0.2, 0.3, 0.1, 0.3}, {7, 1, 0, 1, 1});
  const auto change = change_of_rest(before, after, 2);
  ASSERT_EQ(change.sizes(), (std::vector<int64_t>{1, 3}));
  const double third = 1.0 / 3;
  EXPECT_NEAR(change[0][0].item<double>(), (std::abs(third - 1.0 / 6) + std::abs(third - 0.5)) / 2, 1e-6);
  EXPECT_NEAR(change[0][1].item<double>(), entropy_of({third, third, third}) - entropy_of({third, 1.0 / 6, 0.5}), 1e-6);
  EXPECT_NEAR(change[0][2].item<double>(), 3 - 1 / (0.25 + 2 * 0.0625), 1e-6);
}

/// Opposite changes of two rows do not cancel.
TEST(ChangeOfRest, IsAbsoluteRowByRow) {
  const auto flat = one_row({0.2, 0.4, 0, 0.4}, {1, 1, 1, 1}), steep = one_row({0.2, 0.7, 0, 0.1}, {1, 3, 1, 1});
  const auto change = change_of_rest(at::cat({flat, steep}, 3), at::cat({steep, flat}, 3), 2);
  EXPECT_NEAR(change[0][1].item<double>(), entropy_of({0.5, 0.5}) - entropy_of({0.875, 0.125}), 1e-6);
  EXPECT_NEAR(change[0][2].item<double>(), 2 - 1 / (0.75 * 0.75 + 0.25 * 0.25), 1e-6);
}

TEST(LaterQueries, AreSpreadAndHoldTheLast) {
  EXPECT_EQ(later_queries(10, 14, 64), (std::vector<int64_t>{11, 12, 13}));
  EXPECT_EQ(later_queries(10, 21, 2), (std::vector<int64_t>{15, 20}));
}

/// Neuron 0 has the standard deviation 1, neuron 1 none.
TEST(MovedShare, CountsPairsByTheNeuronsOwnSpread) {
  const auto spread = std::sqrt(0.75);  // of -1, 1, -1, 1 with n - 1 in the denominator: divided by this it is 1
  const auto before =
      at::stack({at::tensor({-1., 1., -1., 1.}) * spread, at::ones({4}, at::kDouble)}, 1).view({2, 2, 2});
  auto after = before.clone();
  after[0][0][0] += 3.1;
  after[1][0][0] += 2.9;
  after[1][1][1] += 100;
  const auto share = moved_share(before, after, 3);
  EXPECT_EQ(share[0].item<double>(), 0.5);
  EXPECT_EQ(share[1].item<double>(), 0);
  EXPECT_TRUE(std::isnan(moved_share(at::ones({2, 2, 2}), at::zeros({2, 2, 2}), 3)[0].item<double>()));
}

}  // namespace
}  // namespace replicate
