#include "base/statistics.h"

#include <algorithm>
#include <bit>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace replicate {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool any_nan(std::span<const double> x) {
  return std::any_of(x.begin(), x.end(), [](double v) { return std::isnan(v); });
}

void check_same_length(std::span<const double> x, std::span<const double> y, const char* who) {
  if (x.size() == y.size()) return;
  throw Error(std::to_string(x.size()) + " values against " + std::to_string(y.size()), who,
              "give two lists of one length");
}

std::vector<size_t> sorted_indices(std::span<const double> x) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] < x[b]; });
  return order;
}

double pearson(std::span<const double> x, std::span<const double> y) {
  const double mean_x = mean(x), mean_y = mean(y);
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx, yy += dy * dy, xy += dx * dy;
  }
  if (xx == 0 || yy == 0) return kNaN;
  return std::clamp(xy / std::sqrt(xx) / std::sqrt(yy), -1.0, 1.0);
}

/// Sorts values[first, last) and returns how many pairs stood in the wrong order.
int64_t merge_sort_counting(std::vector<double>& values, std::vector<double>& scratch, size_t first, size_t last) {
  if (last - first < 2) return 0;
  const size_t middle = first + (last - first) / 2;
  int64_t swaps =
      merge_sort_counting(values, scratch, first, middle) + merge_sort_counting(values, scratch, middle, last);
  size_t left = first, right = middle, out = first;
  while (left < middle && right < last) {
    if (values[right] < values[left]) {
      swaps += static_cast<int64_t>(middle - left);
      scratch[out++] = values[right++];
    } else {
      scratch[out++] = values[left++];
    }
  }
  std::copy(values.begin() + left, values.begin() + middle, scratch.begin() + out);
  std::copy(values.begin() + right, values.begin() + last, scratch.begin() + out + middle - left);
  std::copy(scratch.begin() + first, scratch.begin() + last, values.begin() + first);
  return swaps;
}

/// Pairs within runs of equal neighbours of a sorted sequence of `n` entries.
template <typename Equal>
int64_t tied_pairs(size_t n, Equal equal) {
  int64_t pairs = 0;
  for (size_t first = 0, last = 0; first < n; first = last) {
    while (last < n && equal(first, last)) ++last;
    const auto run = static_cast<int64_t>(last - first);
    pairs += run * (run - 1) / 2;
  }
  return pairs;
}

/// Knight's algorithm on pairs sorted by x, then y: discordant pairs are the swaps that sort y.
double kendall_of_sorted(const std::vector<std::pair<double, double>>& pairs) {
  const size_t n = pairs.size();
  const int64_t x_ties = tied_pairs(n, [&](size_t a, size_t b) { return pairs[a].first == pairs[b].first; });
  const int64_t both_ties = tied_pairs(n, [&](size_t a, size_t b) { return pairs[a] == pairs[b]; });
  std::vector<double> y(n), scratch(n);
  std::transform(pairs.begin(), pairs.end(), y.begin(), [](const auto& pair) { return pair.second; });
  const int64_t discordant = merge_sort_counting(y, scratch, 0, n);
  const int64_t y_ties = tied_pairs(n, [&](size_t a, size_t b) { return y[a] == y[b]; });
  const auto all = static_cast<int64_t>(n * (n - 1) / 2);
  if (x_ties == all || y_ties == all) return kNaN;
  const auto difference = static_cast<double>(all - x_ties - y_ties + both_ties - 2 * discordant);
  const double tau =
      difference / std::sqrt(static_cast<double>(all - x_ties)) / std::sqrt(static_cast<double>(all - y_ties));
  return std::clamp(tau, -1.0, 1.0);
}

uint64_t splitmix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t fnv1a(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

}  // namespace

std::vector<double> average_ranks(std::span<const double> x) {
  const std::vector<size_t> order = sorted_indices(x);
  std::vector<double> ranks(x.size());
  for (size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && x[order[last]] == x[order[first]]) ++last;
    const double rank = 0.5 * static_cast<double>(first + 1 + last);
    for (size_t i = first; i < last; ++i) ranks[order[i]] = rank;
  }
  return ranks;
}

double mean(std::span<const double> x) {
  if (x.empty()) return kNaN;
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

double median(std::vector<double> x) { return quantile(std::move(x), 0.5); }

double quantile(std::vector<double> x, double q) {
  if (!(q >= 0 && q <= 1)) {
    throw Error("quantile of " + std::to_string(q), "statistics", "ask for one in [0, 1]");
  }
  if (x.empty() || any_nan(x)) return kNaN;
  const double place = q * static_cast<double>(x.size() - 1);
  const auto lower = static_cast<size_t>(place);
  std::nth_element(x.begin(), x.begin() + lower, x.end());
  const double a = x[lower];
  const double weight = place - static_cast<double>(lower);
  if (weight == 0) return a;
  const double b = *std::min_element(x.begin() + lower + 1, x.end());
  return a == b ? a : a + (b - a) * weight;
}

double spearman(std::span<const double> x, std::span<const double> y) {
  check_same_length(x, y, "spearman");
  if (x.size() < 2 || any_nan(x) || any_nan(y)) return kNaN;
  return pearson(average_ranks(x), average_ranks(y));
}

double kendall_tau_b(std::span<const double> x, std::span<const double> y) {
  check_same_length(x, y, "kendall_tau_b");
  if (x.size() < 2 || any_nan(x) || any_nan(y)) return kNaN;
  std::vector<std::pair<double, double>> pairs(x.size());
  for (size_t i = 0; i < x.size(); ++i) pairs[i] = {x[i], y[i]};
  std::sort(pairs.begin(), pairs.end());
  return kendall_of_sorted(pairs);
}

Random::Random(uint64_t seed) {
  for (uint64_t& word : state_) word = splitmix64(seed);
}

uint64_t Random::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Random::below(uint64_t bound) {
  if (bound == 0) throw Error("a draw from nothing", "Random::below", "give a bound of 1 or more");
  const uint64_t rejected = -bound % bound;  // 2^64 mod bound: the draws that would favour small values
  uint64_t draw = next();
  while (draw < rejected) draw = next();
  return draw % bound;
}

std::vector<int64_t> Random::permutation(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(std::max<int64_t>(n, 0)));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[below(i)]);
  return order;
}

uint64_t derive_seed(uint64_t seed, const std::string& purpose) {
  uint64_t state = seed;
  state = splitmix64(state) ^ fnv1a(purpose);
  return splitmix64(state);
}

Estimate t_interval(std::span<const double> values) {
  if (values.empty()) throw Error("no values", "t interval", "measure one unit at least");
  const auto n = static_cast<int64_t>(values.size());
  Estimate estimate{mean(values), kNaN, kNaN, n};
  if (n < 2 || any_nan(values)) return estimate;
  double squares = 0;
  for (const double value : values) squares += (value - estimate.value) * (value - estimate.value);
  const auto degrees = static_cast<double>(n - 1);
  const double t = boost::math::quantile(boost::math::students_t(degrees), 0.975);
  const double half = t * std::sqrt(squares / degrees / static_cast<double>(n));
  estimate.low = estimate.value - half;
  estimate.high = estimate.value + half;
  return estimate;
}

}  // namespace replicate
