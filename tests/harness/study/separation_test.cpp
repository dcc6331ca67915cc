#include "harness/study/measures/separation.h"

#include <gtest/gtest.h>

#include "harness/study/measures/output_deviation.h"
#include "harness/study/measures/position_variance.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

/// Every marked position against every other one, with the weights of their sequences.
double auc_written_out(const Tensor& score, const Tensor& marked, const Tensor& weights) {
  double wins = 0, pairs = 0;
  const auto at = [](const Tensor& x, int64_t b, int64_t p) { return x[b][p].item<double>(); };
  for (int64_t i = 0; i < score.numel(); ++i) {
    for (int64_t j = 0; j < score.numel(); ++j) {
      const auto width = score.size(1), a = i / width, b = j / width;
      if (at(marked, a, i % width) == 0 || at(marked, b, j % width) != 0) continue;
      const double pair = weights[a].item<double>() * weights[b].item<double>();
      const double mine = at(score, a, i % width), other = at(score, b, j % width);
      pairs += pair;
      wins += pair * (mine > other ? 1 : mine == other ? 0.5 : 0);
    }
  }
  return wins / pairs;
}

TEST(Separation, IsTheShareOfPairsThatTheMarkedPositionWins) {
  const auto score = at::tensor({1, 2, 2, 5, 3, 1, 4, 4, 0, 2, 6, 3}, at::kDouble).view({3, 4});
  const auto marked = at::tensor({0, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0}, at::kLong).view({3, 4}).to(at::kBool);
  const auto weights = at::tensor({0.5, 0.2, 0.3, 0.0, 0.5, 0.5}, at::kDouble).view({2, 3});
  const Separation separation(score, marked);
  EXPECT_EQ(separation.marked(), 4);
  const auto auc = separation.auc(weights);
  for (const int64_t row : {0, 1}) {
    EXPECT_NEAR(auc[row].item<double>(), auc_written_out(score, marked, weights[row]), 1e-12) << row;
  }
}

TEST(Separation, IsOneOrZeroWhereTheKindsDoNotOverlapAndMissingWithoutBoth) {
  const auto score = at::tensor({1, 2, 3, 4}, at::kDouble).view({2, 2});
  const auto high = score > 2;
  const auto auc = [&](const Tensor& marked) { return Separation(score, marked).auc(even_weights(2)).item<double>(); };
  EXPECT_EQ(auc(high), 1);
  EXPECT_EQ(auc(high.logical_not()), 0);
  EXPECT_TRUE(std::isnan(auc(at::zeros({2, 2}, at::kBool))));
}

TEST(OutputDeviation, IsTheLogDistanceFromTheMeanOutputWrittenOut) {
  const auto deviation = std::make_shared<OutputDeviation>(2);
  const auto outputs = watch(Site::head_output, [](const Tensor& x) { return x.flatten(2); });
  run({{small_model(), random_tokens(10, 12), {}, {deviation, outputs}}}, {.batch_tokens = 40});
  auto sum = at::zeros({10, 12}, at::kDouble);
  for (const int64_t layer : {1, 2}) {
    const auto x = outputs->layer(layer);
    sum += at::linalg_vector_norm(x - x.mean(0, true), 2, {2}).log();  // half the log of the square
  }
  EXPECT_LT((deviation->log_distance() - sum).abs().max().item<double>(), 1e-9);
}

}  // namespace
}  // namespace replicate
