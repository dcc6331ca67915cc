#include "base/rank_test.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/statistics.h"

namespace replicate {
namespace {

/// Twice the ranks: whole numbers in spite of ties.
std::vector<size_t> doubled_ranks(const std::vector<double>& values) {
  std::vector<size_t> doubled;
  for (const double rank : average_ranks(values)) doubled.push_back(static_cast<size_t>(2 * rank));
  return doubled;
}

/// The distribution of the sum of `chosen` of these numbers, every choice being equally likely: chance[sum].
std::vector<double> sum_distribution(const std::vector<size_t>& numbers, size_t chosen) {
  const auto largest = std::accumulate(numbers.begin(), numbers.end(), size_t{0});
  std::vector chance(chosen + 1, std::vector<double>(largest + 1, 0.0));  // by how many are taken and by their sum
  chance[0][0] = 1;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto left = static_cast<double>(numbers.size() - i);
    for (size_t taken = std::min(i, chosen) + 1; taken-- > 0;) {
      const double takes = static_cast<double>(chosen - taken) / left;  // the chance that number i is among the chosen
      for (size_t sum = 0; sum + numbers[i] <= largest; ++sum) {
        if (taken < chosen) chance[taken + 1][sum + numbers[i]] += takes * chance[taken][sum];
      }
      for (auto& without : chance[taken]) without *= 1 - takes;
    }
  }
  return chance[chosen];
}

bool is_number(double x) { return !std::isnan(x); }

}  // namespace

RankTest::RankTest(std::span<const double> first, std::span<const double> second)
    : auc_(NAN), p_above_(NAN), p_below_(NAN) {
  std::vector<double> all(first.begin(), first.end());
  all.insert(all.end(), second.begin(), second.end());
  if (first.empty() || second.empty() || !std::ranges::all_of(all, is_number)) return;
  const auto ranks = doubled_ranks(all);
  const auto n = first.size();
  const auto sum = std::accumulate(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(n), size_t{0});
  const auto lowest = n * (n + 1);  // twice the sum of the ranks 1..n
  auc_ = (static_cast<double>(sum) - static_cast<double>(lowest)) / 2 / static_cast<double>(n * second.size());
  const auto chance = sum_distribution(ranks, n);
  const auto at = chance.begin() + static_cast<std::ptrdiff_t>(sum);
  p_above_ = std::accumulate(at, chance.end(), 0.0);
  p_below_ = std::accumulate(chance.begin(), at + 1, 0.0);
}

}  // namespace replicate
