#pragma once

#include <span>
#include <vector>

namespace replicate {

/// Mann and Whitney's test of two groups of independent values, exact: where both have one distribution, every choice
/// of the first group among all values is equally likely. Values that tie share the average of their ranks.
class RankTest {
 public:
  RankTest(std::span<const double> first, std::span<const double> second);

  /// The chance that a value of the first group lies above one of the second; a tie counts half. NaN, as both p are,
  /// where a group is empty or a value is no number.
  double auc() const { return auc_; }
  /// One-sided p: the chance of an AUC at least (at most) as large.
  double p_above() const { return p_above_; }
  double p_below() const { return p_below_; }

 private:
  double auc_, p_above_, p_below_;
};

}  // namespace replicate
