#include "models/cuda/online_softmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace replicate::cuda {
namespace {

/// From the definition, in float64.
struct Exact {
  double log_sum_exp = 0, entropy = 0, sum_squares = 0;
  explicit Exact(const std::vector<float>& scores) {
    const double top = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (const double s : scores) total += std::exp(s - top);
    log_sum_exp = top + std::log(total);
    for (const double s : scores) {
      const double p = std::exp(s - log_sum_exp);
      if (p > 0) entropy -= p * std::log(p);
      sum_squares += p * p;
    }
  }
};

std::vector<float> normal(size_t count, double spread, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0, static_cast<float>(spread));
  std::vector<float> scores(count);
  for (auto& s : scores) s = distribution(generator);
  return scores;
}

/// As the kernel goes: tile by tile, the top raised before a tile's scores are added.
OnlineSoftmax in_tiles(const std::vector<float>& scores, size_t tile) {
  OnlineSoftmax sums;
  for (size_t first = 0; first < scores.size(); first += tile) {
    const size_t last = std::min(first + tile, scores.size());
    sums.raise(*std::max_element(scores.begin() + first, scores.begin() + last));
    for (size_t i = first; i < last; ++i) sums.add(scores[i]);
  }
  return sums;
}

void expect_close(const OnlineSoftmax& sums, const Exact& exact) {
  EXPECT_NEAR(sums.log_sum_exp(), exact.log_sum_exp, 2e-6 * (1 + std::abs(exact.log_sum_exp)));
  EXPECT_NEAR(sums.entropy(), exact.entropy, 1e-5);
  EXPECT_NEAR(sums.sum_squares(), exact.sum_squares, 2e-6);
}

TEST(OnlineSoftmax, WhatIsNoNumberStaysNone) {
  OnlineSoftmax sums;
  sums.raise(0);
  sums.add(NAN);
  EXPECT_TRUE(std::isnan(sums.entropy()));
  EXPECT_TRUE(std::isnan(sums.sum_squares()));
}

TEST(OnlineSoftmax, TilesGiveWhatTheDefinitionGives) {
  for (const double spread : {0.0, 1.0, 10.0, 300.0}) {
    for (const size_t count : {1, 2, 63, 64, 65, 1000}) {
      const auto scores = normal(count, spread, static_cast<unsigned>(count));
      for (const size_t tile : {1, 7, 64}) expect_close(in_tiles(scores, tile), Exact(scores));
    }
  }
}

TEST(OnlineSoftmax, RisingScoresMoveTheTopEveryTime) {
  std::vector<float> scores;
  for (int i = 0; i < 200; ++i) scores.push_back(0.5F * static_cast<float>(i));
  expect_close(in_tiles(scores, 1), Exact(scores));
}

TEST(OnlineSoftmax, EntropyKeepsItsDigitsUnderLargeScores) {
  std::vector<float> scores(100, 4096.0F);  // sum p s and the log-sum-exp are 4,100 each, their difference log 100
  scores[3] = 4097.0F;
  expect_close(in_tiles(scores, 8), Exact(scores));
}

TEST(OnlineSoftmax, MergeIsTheSoftmaxOfBoth) {
  const auto left = normal(37, 5, 1), right = normal(90, 5, 2);
  auto both = left;
  both.insert(both.end(), right.begin(), right.end());
  auto sums = in_tiles(left, 8);
  sums.merge(in_tiles(right, 8));
  expect_close(sums, Exact(both));
  sums.merge({});  // one that has seen nothing
  expect_close(sums, Exact(both));
}

TEST(OnlineSoftmax, ScoresComeUnscaled) {
  auto scores = normal(100, 20, 4);
  OnlineSoftmax sums{.unit = 0.125F * kNat};
  sums.raise(*std::max_element(scores.begin(), scores.end()));
  for (const float s : scores) sums.add(s);
  for (float& s : scores) s *= 0.125F;
  expect_close(sums, Exact(scores));
}

TEST(OnlineSoftmax, SurpriseIsMinusTheLogarithmOfTheProbability) {
  auto scores = normal(50, 3, 5);
  for (float& s : scores) s += 4096.0F;
  const Exact exact(scores);
  for (const float s : scores) EXPECT_NEAR(in_tiles(scores, 8).surprise(s), exact.log_sum_exp - s, 1e-5);
}

TEST(OnlineSoftmax, MaskedScoresCountNothing) {
  auto sums = in_tiles({1.0F, 2.0F}, 2);
  EXPECT_EQ(sums.add(kNoScore), 0);
  expect_close(sums, Exact({1.0F, 2.0F}));
}

}  // namespace
}  // namespace replicate::cuda
