#pragma once

#include <cstdint>
#include <span>

namespace replicate {

/// Tests of the mean of independent units x_1..x_n: Student's t, transformed so that skewed units do not spoil its
/// level. With t = (m - c) / s and the skewness g, sqrt(n) (t + g t^2 / 3 + g^2 t^3 / 27 + g / (6 n)) is taken for a
/// value of Student's distribution with n - 1 degrees of freedom. Source: Hall, "On the removal of skewness by
/// transformation", J. R. Statist. Soc. B 54 (1992). Coverage for units of several kinds is simulated in its test.
class MeanTest {
 public:
  explicit MeanTest(std::span<const double> x);

  int64_t n() const { return n_; }
  double mean() const { return mean_; }

  /// One-sided p: the chance of such a mean above (below) c if the truth were c. At least least_p(n), however far the
  /// mean lies from c. Units without any spread have the p least_p(n) on the right side of c and 1 elsewhere. NaN for
  /// fewer than two units and where one is not finite.
  double p_above(double c) const;
  double p_below(double c) const;

  /// The means that neither test rejects at (1 - confidence) / 2; NaN where p is.
  struct Interval {
    double low, high;
  };
  Interval interval(double confidence = 0.95) const;

 private:
  double statistic(double c) const;
  double transformed(double t) const;
  double inverse(double y) const;  // of transformed

  int64_t n_;
  double mean_, deviation_, skewness_;
};

/// 2^-n: the chance that n units all fall on one side of their median.
double least_p(int64_t n);

}  // namespace replicate
