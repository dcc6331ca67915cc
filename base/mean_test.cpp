#include "base/mean_test.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "base/statistics.h"

namespace replicate {
namespace {

/// Below it the transformation is the identity to the last digit, and its inverse would divide by it.
constexpr double kLeastSkewness = 1e-6;

boost::math::students_t student(int64_t n) { return boost::math::students_t(static_cast<double>(n - 1)); }

}  // namespace

MeanTest::MeanTest(std::span<const double> x)
    : n_(static_cast<int64_t>(x.size())), mean_(replicate::mean(x)), deviation_(NAN), skewness_(0) {
  if (n_ < 2 || !std::isfinite(mean_)) return;
  if (std::all_of(x.begin(), x.end(), [&](double value) { return value == x[0]; })) {
    mean_ = x[0];  // a sum would round
    deviation_ = 0;
    return;
  }
  const auto n = static_cast<double>(n_);
  double squares = 0, cubes = 0;
  for (const double value : x) {
    squares += (value - mean_) * (value - mean_);
    cubes += (value - mean_) * (value - mean_) * (value - mean_);
  }
  deviation_ = std::sqrt(squares / (n - 1));
  const double skewness = cubes / n / std::pow(deviation_, 3);
  if (std::abs(skewness) >= kLeastSkewness) skewness_ = skewness;
}

double MeanTest::transformed(double t) const {
  const double g = skewness_;
  return t + g * t * t / 3 + g * g * t * t * t / 27 + g / (6 * static_cast<double>(n_));
}

double MeanTest::inverse(double y) const {
  const double g = skewness_;
  if (g == 0) return y;
  return 3 / g * (std::cbrt(1 + g * (y - g / (6 * static_cast<double>(n_)))) - 1);
}

double MeanTest::statistic(double c) const {
  return std::sqrt(static_cast<double>(n_)) * transformed((mean_ - c) / deviation_);
}

double MeanTest::p_above(double c) const {
  if (!std::isfinite(deviation_) || !std::isfinite(c)) return NAN;
  if (deviation_ == 0) return mean_ > c ? least_p(n_) : 1;
  return std::max(least_p(n_), boost::math::cdf(boost::math::complement(student(n_), statistic(c))));
}

double MeanTest::p_below(double c) const {
  if (!std::isfinite(deviation_) || !std::isfinite(c)) return NAN;
  if (deviation_ == 0) return mean_ < c ? least_p(n_) : 1;
  return std::max(least_p(n_), boost::math::cdf(student(n_), statistic(c)));
}

MeanTest::Interval MeanTest::interval(double confidence) const {
  if (!std::isfinite(deviation_)) return {NAN, NAN};
  const double quantile = boost::math::quantile(student(n_), (1 + confidence) / 2) / std::sqrt(static_cast<double>(n_));
  return {mean_ - deviation_ * inverse(quantile), mean_ - deviation_ * inverse(-quantile)};
}

double least_p(int64_t n) { return std::ldexp(1.0, -static_cast<int>(std::min<int64_t>(n, 1000))); }

}  // namespace replicate
