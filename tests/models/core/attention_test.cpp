#include "models/core/attention.h"

#include <gtest/gtest.h>

#include "models/kernels/softmax_row.h"

namespace replicate {
namespace {

Tensor random_tensor(at::IntArrayRef shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  return at::normal(0, 1, shape, generator);
}

struct Problem {
  Tensor q, k, v;
  AttentionSpec spec;
  Problem(int64_t b, int64_t h, int64_t g, int64_t t, int64_t width)
      : q(random_tensor({b, h, t, width}, 1)),
        k(random_tensor({b, g, t, width}, 2)),
        v(random_tensor({b, g, t, width}, 3)) {
    spec.scale = 1 / std::sqrt(static_cast<double>(width));
  }
};

AttentionNeeds everything(int64_t t) {
  return {.columns = {0, 3, t - 1},
          .rows = {0, 5, t - 1},
          .received = true,
          .entropy = true,
          .sum_squares = true,
          .total = true};
}

/// The whole T x T matrix in float64, from the definition: the reference for both paths.
Tensor materialised(const Problem& p) {
  const auto group = p.q.size(1) / p.k.size(1), t = p.q.size(2);
  const auto k = p.k.to(at::kDouble).repeat_interleave(group, 1);
  auto scores = at::matmul(p.q.to(at::kDouble), k.transpose(2, 3)) * p.spec.scale;
  auto visible = at::ones({p.q.size(0), 1, t, t}, at::kBool).tril();
  if (p.spec.identity) visible = visible.triu();
  if (p.spec.window) visible = visible.triu(1 - *p.spec.window);
  for (const auto& row : p.spec.rows) {
    for (int64_t b = 0; b < p.q.size(0); ++b) {
      visible[b][0][row.query].zero_();
      for (const auto key : row.keys[row.keys.size() == 1 ? 0 : b]) visible[b][0][row.query][key] = true;
    }
  }
  scores = scores.masked_fill(visible.logical_not(), -INFINITY);
  return p.spec.sigmoid_bias ? (scores + *p.spec.sigmoid_bias).sigmoid() : scores.softmax(-1);
}

void expect_close(const Tensor& actual, const Tensor& expected, double tolerance = 2e-6) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  const auto difference = (actual.to(at::kDouble) - expected.to(at::kDouble)).abs().max();
  EXPECT_LE(difference.item<double>(), tolerance);
}

void expect_matches_definition(const Problem& p, const AttentionResult& result) {
  const auto a = materialised(p);
  const auto group = p.q.size(1) / p.k.size(1);
  const auto v = p.v.to(at::kDouble).repeat_interleave(group, 1);
  expect_close(result.output, at::matmul(a, v).transpose(1, 2));
  const auto& s = result.statistics;
  for (const auto key : s.needs.columns) expect_close(s.column(key), a.select(3, key));
  for (const auto query : s.needs.rows) expect_close(s.row(query), a.select(2, query));
  expect_close(s.received, a.tril(-1).sum(2), 1e-5);
  expect_close(s.entropy, at::special_entr(a).sum(3), 1e-5);
  expect_close(s.sum_squares, a.square().sum(3));
  expect_close(s.total, a.sum(3), 1e-5);
}

TEST(Attention, HandComputedTwoPositions) {
  // One head of width 1: scores of query 1 are 2 * 0 and 2 * log(3) / 2, so it weighs 1 : 3.
  const auto q = at::tensor({1.0, 2.0}).view({1, 1, 2, 1}).to(at::kFloat);
  const auto k = at::tensor({0.0, std::log(3.0) / 2}).view({1, 1, 2, 1}).to(at::kFloat);
  const auto v = at::tensor({8.0, 4.0}).view({1, 1, 2, 1}).to(at::kFloat);
  const auto result = attend(q, k, v, {.scale = 1}, {{0, 1}, {}, true, true, true});
  expect_close(result.output.flatten(), at::tensor({8.0, 5.0}));
  expect_close(result.statistics.column(0).flatten(), at::tensor({1.0, 0.25}));
  expect_close(result.statistics.column(1).flatten(), at::tensor({0.0, 0.75}));
  expect_close(result.statistics.received.flatten(), at::tensor({0.25, 0.0}));
  expect_close(result.statistics.sum_squares.flatten(), at::tensor({1.0, 0.625}));
  const double entropy = -0.25 * std::log(0.25) - 0.75 * std::log(0.75);
  expect_close(result.statistics.entropy.flatten(), at::tensor({0.0, entropy}));
}

TEST(Attention, UniformScoresGiveTheRunningMean) {
  const auto zeros = at::zeros({1, 1, 5, 4});
  const auto v = at::arange(5, at::kFloat).view({1, 1, 5, 1}).expand({1, 1, 5, 4});
  const auto result = attend(zeros, zeros, v, {.scale = 0.5}, {{0}, {}, false, true, false});
  for (int64_t t = 0; t < 5; ++t) {
    EXPECT_FLOAT_EQ(result.output[0][t][0][0].item<float>(), t / 2.0F);
    EXPECT_NEAR(result.statistics.entropy[0][0][t].item<float>(), std::log(t + 1.0), 1e-6);
    EXPECT_FLOAT_EQ(result.statistics.column(0)[0][0][t].item<float>(), 1.0F / (t + 1));
  }
}

class BothPaths : public testing::TestWithParam<bool> {
 protected:
  AttentionResult run(const Problem& p, const AttentionNeeds& needs) const {
    return GetParam() ? attend_cpu(p.q, p.k, p.v, p.spec, needs) : attend_plain(p.q, p.k, p.v, p.spec, needs);
  }
};
INSTANTIATE_TEST_SUITE_P(Attention, BothPaths, testing::Bool(),
                         [](const auto& info) { return info.param ? "cpu" : "plain"; });

TEST_P(BothPaths, MatchesTheMaterialisedMatrix) {
  for (const auto t : {6, 63, 64, 65, 129, 200}) {
    const Problem p(2, 6, 2, t, 16);
    expect_matches_definition(p, run(p, everything(t)));
  }
}

TEST_P(BothPaths, ManyHeadsTakeOneSliceEach) {
  const Problem p(3, 8, 8, 150, 8);
  expect_matches_definition(p, run(p, everything(150)));
}

TEST_P(BothPaths, MaskedRowsForAllAndForEachSequence) {
  Problem p(2, 3, 1, 140, 8);
  p.spec.rows = {{10, {{10}}}, {70, {{1, 2, 70}, {69}}}, {139, {{0, 5, 64, 139}}}};
  expect_matches_definition(p, run(p, everything(140)));
}

TEST_P(BothPaths, IdentitySeesOnlyItself) {
  Problem p(1, 2, 2, 70, 8);
  p.spec.identity = true;
  const auto result = run(p, everything(70));
  expect_matches_definition(p, result);
  expect_close(result.output, p.v.transpose(1, 2), 5e-7);
}

TEST_P(BothPaths, WindowsForgetWhatLiesFarBack) {
  for (const auto window : {1, 7, 64, 100, 300}) {
    Problem p(2, 3, 1, 150, 8);
    p.spec.window = window;
    expect_matches_definition(p, run(p, everything(150)));
    p.spec.rows = {{10, {{10}}}, {149, {{0, 5}}}};  // as they are, whatever the window
    expect_matches_definition(p, run(p, everything(150)));
  }
}

TEST_P(BothPaths, ExtremeScoresStayFinite) {
  Problem p(1, 1, 1, 80, 4);
  p.q *= 1e3;
  p.k *= 1e3;
  const auto result = run(p, everything(80));
  EXPECT_TRUE(result.output.isfinite().all().item<bool>());
  EXPECT_TRUE(result.statistics.entropy.isfinite().all().item<bool>());
  expect_close(result.statistics.row(79).sum(-1), at::ones({1, 1}), 1e-5);
}

/// The only attention whose rows do not sum to one, so the only one on which `total` could be wrong without being seen.
TEST(Attention, SigmoidRowsSumToWhatTheirWeightsDo) {
  Problem p(2, 6, 2, 130, 16);
  p.spec.sigmoid_bias = -std::log(130.0);
  const auto result = attend(p.q, p.k, p.v, p.spec, everything(130));
  expect_matches_definition(p, result);
  EXPECT_GT((result.statistics.total - 1).abs().max().item<double>(), 0.1);
}

TEST(Attention, DoesNotDependOnThreads) {
  const Problem p(1, 3, 1, 300, 16);
  const auto needs = everything(300);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = attend_cpu(p.q, p.k, p.v, p.spec, needs);
  at::set_num_threads(3);
  const auto three = attend_cpu(p.q, p.k, p.v, p.spec, needs);
  at::set_num_threads(threads);
  expect_close(one.output, three.output, 1e-6);
  expect_close(one.statistics.received, three.statistics.received, 1e-5);
}

TEST(Attention, OutputDoesNotDependOnWhatIsAskedFor) {
  const Problem p(1, 3, 1, 130, 16);
  const auto silent = attend(p.q, p.k, p.v, p.spec, {});
  const auto watched = attend(p.q, p.k, p.v, p.spec, everything(130));
  EXPECT_TRUE(at::equal(silent.output, watched.output));
}

TEST(Attention, PlainPathHasGradients) {
  Problem p(1, 2, 1, 12, 4);
  const auto q = p.q.clone().requires_grad_(true);
  const auto result = attend(q, p.k, p.v, p.spec, {});
  EXPECT_TRUE(result.output.requires_grad());
}

TEST(SoftmaxRow, ExponentialsAreAccurate) {
  std::vector<float> x, scores;
  for (int i = 0; i < 1000; ++i) scores.push_back(-0.09F * static_cast<float>(i));
  x = scores;
  const auto sums = softmax_row(x.data(), 1000, 1);
  double total = 0;
  for (int i = 0; i < 900; ++i) {
    EXPECT_NEAR(x[i] / std::exp(static_cast<double>(scores[i])), 1, 3e-7) << i;
    total += std::exp(static_cast<double>(scores[i]));
  }
  EXPECT_NEAR(sums.total / total, 1, 1e-6);
}

}  // namespace
}  // namespace replicate
