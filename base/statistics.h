#pragma once

// Statistics behind every interval. Sums in float64; checked against scipy (tests/reference).

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace replicate {

double mean(std::span<const double> x);  ///< NaN for no values
double median(std::vector<double> x);

/// Linear-interpolation quantile (numpy's default), q in [0, 1]. NaN for no values or where one is
/// NaN.
double quantile(std::vector<double> x, double q);

/// Ranks from 1; values that tie share the average of their ranks.
std::vector<double> average_ranks(std::span<const double> x);

/// Spearman's rank correlation with average ranks for ties. NaN when one side is constant or holds
/// NaN; Error when the lengths differ (as for tau-b).
double spearman(std::span<const double> x, std::span<const double> y);

/// Kendall's tau-b in O(n log n), ties included; NaN when one side is constant or holds NaN.
double kendall_tau_b(std::span<const double> x, std::span<const double> y);

/// Deterministic 64-bit generator (the same numbers on every platform and compiler): xoshiro256**
/// of Blackman and Vigna, its state filled by splitmix64.
class Random {
 public:
  explicit Random(uint64_t seed);
  uint64_t next();
  uint64_t below(uint64_t bound);               ///< uniform in [0, bound), without modulo bias; bound >= 1
  std::vector<int64_t> permutation(int64_t n);  ///< of 0..n-1

 private:
  uint64_t state_[4];
};

/// A seed of its own for every named purpose, so that adding one draw does not move the others.
uint64_t derive_seed(uint64_t seed, const std::string& purpose);

struct Estimate {
  double value = 0;
  double low = 0, high = 0;  ///< 95% interval
  int64_t n = 0;             ///< units of sampling
};

struct BootstrapOptions {
  int64_t resamples = 2000;
  uint64_t seed = 0;
};

/// The mean of few values (one a seed) with Student's t interval: mean -+ t(0.975, n - 1) s / sqrt n. One value has
/// no interval, and where a value is NaN all three are. Error for no values.
Estimate t_interval(std::span<const double> values);

}  // namespace replicate
