#include "harness/record/evidence.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numeric>

namespace replicate {
namespace {

namespace math = boost::math;

constexpr double kQuantile = 0.975;  // of 95% intervals
constexpr double kPower = 0.8;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kMostUnits = 1'000'000;

math::students_t student(int64_t n) { return math::students_t(static_cast<double>(n - 1)); }

double half_width_quantile(int64_t n, Sampling sampling) {
  return sampling == Sampling::student ? math::quantile(student(n), kQuantile)
                                       : math::quantile(math::normal(), kQuantile);
}

/// P(T >= t)
double upper_tail(double t, int64_t n, Sampling sampling) {
  if (std::isinf(t)) return t > 0 ? 0 : 1;
  return sampling == Sampling::student ? math::cdf(math::complement(student(n), t))
                                       : math::cdf(math::complement(math::normal(), t));
}

bool has_interval(const Metric& metric) {
  return metric.n >= 2 && metric.low && metric.high && std::isfinite(metric.value) && std::isfinite(*metric.low) &&
         std::isfinite(*metric.high);
}

/// How far the value lies above `limit` in standard errors, taken from the interval's side towards it.
double standard_errors_above(const Metric& metric, double limit, Sampling sampling) {
  const double distance = metric.value - limit;
  const double half_width = distance >= 0 ? metric.value - *metric.low : *metric.high - metric.value;
  if (distance == 0) return 0;
  return distance / (std::max(half_width, 0.0) / half_width_quantile(metric.n, sampling));
}

}  // namespace

std::optional<Evidence> evidence_for(const Criterion& criterion, const Metric& metric, Sampling sampling) {
  if (!has_interval(metric)) return std::nullopt;
  double above = standard_errors_above(metric, criterion.threshold, sampling);
  const bool exact = above == 0 && *metric.low == *metric.high;
  if (exact && criterion.op == Operator::at_least) above = kInfinity;
  if (exact && criterion.op == Operator::at_most) above = -kInfinity;
  const bool upwards = criterion.op == Operator::above || criterion.op == Operator::at_least;
  const double t = upwards ? above : -above;
  return Evidence{t / std::sqrt(static_cast<double>(metric.n)), upper_tail(t, metric.n, sampling)};
}

std::optional<double> equivalence_p(const Metric& control, double limit, Sampling sampling) {
  if (!has_interval(control) || !(limit > 0 && std::isfinite(limit))) return std::nullopt;
  const double below_upper = upper_tail(-standard_errors_above(control, limit, sampling), control.n, sampling);
  const double above_lower = upper_tail(standard_errors_above(control, -limit, sampling), control.n, sampling);
  return std::max(below_upper, above_lower);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto left = static_cast<double>(p.size() - i);
    largest = std::max(largest, std::min(1.0, left * p[order[i]]));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

double binomial_upper_bound(int64_t successes, int64_t n) {
  if (successes >= n) return 1;
  return math::binomial::find_upper_bound_on_p(static_cast<double>(n), static_cast<double>(successes), 0.05);
}

double power(double effect_size, int64_t n) {
  if (n < 2) return 0;
  const double t = math::quantile(student(n), kQuantile);
  const double shift = effect_size * std::sqrt(static_cast<double>(n));
  if (shift > 30) return 1;  // beyond what the series of the non-central distribution sums
  return math::cdf(math::complement(math::non_central_t(static_cast<double>(n - 1), shift), t));
}

std::optional<int64_t> units_needed(double effect_size) {
  if (!(effect_size > 0) || power(effect_size, kMostUnits) < kPower) return std::nullopt;
  int64_t low = 1, high = kMostUnits;  // power rises with n
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (power(effect_size, middle) >= kPower ? high : low) = middle;
  }
  return high;
}

}  // namespace replicate
