// Statistics of a population of sequences, held against numpy's formulas written out and against brute force over
// pairs.

#include "harness/study/population.h"

#include <gtest/gtest.h>

#include "harness/study/measure.h"

namespace replicate {
namespace {

constexpr int64_t kSequences = 7, kWidth = 5;

Tensor values(int64_t sequences = kSequences, int64_t width = kWidth, uint64_t seed = 3) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  return at::randn({sequences, width}, generator, at::kDouble) + 2;
}

Tensor uniform(int64_t sequences) {
  return at::full({1, sequences}, 1.0 / static_cast<double>(sequences), at::kDouble);
}

/// One row of weights from how often each sequence was drawn.
Tensor drawn(const std::vector<double>& counts) {
  const auto row = at::tensor(counts, at::kDouble);
  return (row / row.sum()).unsqueeze(0);
}

double number(const Tensor& x) { return x.item<double>(); }

/// Weighted sums over all pairs of two different sequences, one by one: f of rows i and j.
double over_pairs(const Tensor& weights, const Tensor& x, double (*f)(const Tensor&, const Tensor&)) {
  const auto w = weights[0];
  double sum = 0, weight = 0;
  for (int64_t i = 0; i < x.size(0); ++i) {
    for (int64_t j = 0; j < x.size(0); ++j) {
      if (i == j) continue;
      const double pair = number(w[i]) * number(w[j]);
      sum += pair * f(x[i], x[j]);
      weight += pair;
    }
  }
  return sum / weight;
}

double half_squared_distance(const Tensor& a, const Tensor& b) { return number((a - b).square().sum()) / 2; }
double inner_product(const Tensor& a, const Tensor& b) { return number(a.dot(b)); }

TEST(Population, VarianceIsNumpysWithOneDegreeOfFreedomLess) {
  const auto x = values();
  const auto variance = population_variance(uniform(kSequences), inner_products(x));
  EXPECT_NEAR(number(variance), number(x.var(0, true).sum()), 1e-12);
  EXPECT_NEAR(number(variance), number((x - x.mean(0)).square().sum()) / (kSequences - 1), 1e-12);
}

TEST(Population, MeanPairwiseIsTheMeanOverTheUpperTriangle) {
  const auto x = values();
  const auto products = at::matmul(x, x.t());
  const auto expected = products.triu(1).sum() / (kSequences * (kSequences - 1) / 2.0);
  EXPECT_NEAR(number(mean_pairwise(uniform(kSequences), inner_products(x))), number(expected), 1e-12);
}

/// In a resample only pairs of different sequences count, so often as their copies meet: a sequence drawn twice is
/// never compared with its own copy.
TEST(Population, CopiesAreNotComparedWithThemselves) {
  const auto x = values();
  const auto products = inner_products(x);
  for (const auto& counts : std::vector<std::vector<double>>{
           {1, 1, 1, 1, 1, 1, 1}, {2, 0, 1, 3, 0, 1, 0}, {6, 1, 0, 0, 0, 0, 0}, {0, 0, 0, 3, 0, 4, 0}}) {
    const auto weights = drawn(counts);
    EXPECT_NEAR(number(population_variance(weights, products)), over_pairs(weights, x, half_squared_distance), 1e-12);
    EXPECT_NEAR(number(mean_pairwise(weights, products)), over_pairs(weights, x, inner_product), 1e-12);
  }
}

/// Two sequences, however often each was drawn, differ as they differ.
TEST(Population, OfTwoSequencesIsTheirPairWhateverTheWeights) {
  const auto x = values(2);
  const auto products = inner_products(x);
  for (const auto& counts : std::vector<std::vector<double>>{{1, 1}, {5, 1}, {1, 9}}) {
    EXPECT_NEAR(number(population_variance(drawn(counts), products)), half_squared_distance(x[0], x[1]), 1e-12);
    EXPECT_NEAR(number(mean_pairwise(drawn(counts), products)), inner_product(x[0], x[1]), 1e-12);
  }
}

/// Nothing to compare: no number, so that the interval of the bootstrap that drew this does not exist either.
TEST(Population, OfOneSequenceDoesNotExist) {
  const auto products = inner_products(values());
  const auto one = drawn({0, 0, 7, 0, 0, 0, 0});
  EXPECT_FALSE(std::isfinite(number(mean_pairwise(one, products))));
  EXPECT_FALSE(std::isfinite(number(population_variance(one, products))));
}

TEST(Population, TakesManyResamplesAtOnce) {
  const auto x = values();
  const auto products = inner_products(x);
  const std::vector<double> a{2, 0, 1, 3, 0, 1, 0}, b{1, 1, 1, 1, 1, 1, 1};
  const auto both = at::cat({drawn(a), drawn(b)});
  const auto variance = population_variance(both, products);
  ASSERT_EQ(variance.sizes(), (std::vector<int64_t>{2}));
  EXPECT_DOUBLE_EQ(number(variance[0]), number(population_variance(drawn(a), products)));
  EXPECT_DOUBLE_EQ(number(variance[1]), number(population_variance(drawn(b), products)));
}

/// Over many draws of few sequences the mean of the estimate is the variance that they were drawn with, and so it is
/// for bootstrap resamples of them: leaving copies out keeps the factor (n - 1) / n away.
TEST(Population, VarianceIsUnbiased) {
  double sum = 0, resampled = 0;
  constexpr int kTrials = 4000, kFew = 4;
  Random random(5);
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto products = inner_products(values(kFew, 3, 1000 + trial));
    sum += number(population_variance(uniform(kFew), products)) / kTrials;
    std::vector<double> counts(kFew, 0.0);
    while (std::count(counts.begin(), counts.end(), 0.0) > 2) {  // two different ones at least
      counts.assign(kFew, 0.0);
      for (int i = 0; i < kFew; ++i) ++counts[random.below(kFew)];
    }
    resampled += number(population_variance(drawn(counts), products)) / kTrials;
  }
  EXPECT_NEAR(sum, 3, 0.1);  // three dimensions of variance 1; standard error sqrt(2 * 3 / 3 / 4000) = 0.02
  EXPECT_NEAR(resampled, 3, 0.15);
}

TEST(Population, CosinesOfUnitVectors) {
  const auto x = values();
  const auto unit = x / x.norm(2, {-1}, true);
  double sum = 0;
  for (int64_t i = 0; i < kSequences; ++i) {
    for (int64_t j = 0; j < i; ++j) sum += number(at::cosine_similarity(x[i], x[j], 0));
  }
  EXPECT_NEAR(number(mean_pairwise(uniform(kSequences), inner_products(unit))),
              sum / (kSequences * (kSequences - 1) / 2), 1e-12);
}

TEST(Population, OfConstantsIsZero) {
  const auto x = at::full({6, 3}, 1.25, at::kDouble);
  EXPECT_NEAR(number(population_variance(uniform(6), inner_products(x))), 0, 1e-12);
}

/// float32 values far from zero: products in float64 keep a variance that float32 would lose.
TEST(Population, KeepsASmallVarianceBesideALargeMean) {
  const auto wide = (values(50, 4).to(at::kFloat) + 300.0F);
  const auto expected = wide.to(at::kDouble).var(0, true).sum();
  EXPECT_NEAR(number(population_variance(uniform(50), inner_products(wide))), number(expected), 1e-6);
  EXPECT_EQ(inner_products(wide).scalar_type(), at::kDouble);
}

/// Measure::population resamples sequences: the value is that of all, the interval holds it.
TEST(Population, MeasureGivesItAnInterval) {
  Condition condition;
  condition.tokens = make_tokens(at::zeros({40, 1}, at::kLong), "random");
  const auto x = values(40);
  const auto products = inner_products(x);
  Measure measure({400, 7});
  measure.population({"variance", "pairwise"}, condition, [&](const Tensor& weights) {
    return at::stack({population_variance(weights, products), mean_pairwise(weights, products)}, 1);
  });
  const auto metrics = measure.take().metrics;
  ASSERT_EQ(metrics.size(), 2U);
  EXPECT_NEAR(metrics[0].value, number(x.var(0, true).sum()), 1e-12);
  for (const auto& metric : metrics) {
    EXPECT_LT(*metric.low, metric.value);
    EXPECT_GT(*metric.high, metric.value);
    EXPECT_EQ(metric.n, 40);
  }
  // A sum of five variances over 40 sequences: relative standard error sqrt(2 / (5 * 39)) = 0.1.
  EXPECT_NEAR((*metrics[0].high - *metrics[0].low) / metrics[0].value, 4 * 0.1, 0.2);
}

}  // namespace
}  // namespace replicate
