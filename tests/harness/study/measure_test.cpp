#include "harness/study/measure.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/mean_test.h"
#include "base/text_file.h"
#include "harness/study/bca.h"
#include "tests/support/assets.h"

namespace replicate {
namespace {

Condition condition(const std::string& suffix = "") {
  Condition one;
  one.tokens = make_tokens(at::zeros({5, 1}, at::kLong), "natural");
  one.suffix = suffix;
  return one;
}

const BootstrapOptions kOptions{500, 3};

Tensor tensor_of(const nlohmann::json& numbers) { return at::tensor(numbers.get<std::vector<double>>(), at::kDouble); }

TEST(Bca, AgreesWithScipyOnTheSameDraws) {
  const auto golden = nlohmann::json::parse(read_text(source_folder() / "tests/golden/statistics.json"));
  ASSERT_GE(golden["bca"].size(), 4u);
  for (const auto& test : golden["bca"]) {
    const auto [low, high] =
        bca_bounds(at::tensor({test["value"].get<double>()}, at::kDouble), tensor_of(test["draws"]).unsqueeze(1),
                   tensor_of(test["jackknife"]).unsqueeze(1));
    EXPECT_NEAR(low.item<double>(), test["low"].get<double>(), 1e-9);
    EXPECT_NEAR(high.item<double>(), test["high"].get<double>(), 1e-9);
  }
}

TEST(Bca, OneUndefinedDrawLeavesNoBounds) {
  const auto draws = at::tensor({1.0, 2.0, 3.0, 1.0, 2.0, std::nan("")}, at::kDouble).view({2, 3}).t();
  const auto [low, high] = bca_bounds(at::tensor({2.0, 2.0}, at::kDouble), draws,
                                      at::tensor({1.0, 2.0, 3.0, 2.0}, at::kDouble).view({2, 2}));
  EXPECT_FALSE(std::isnan(low[0].item<double>()));
  EXPECT_TRUE(std::isnan(low[1].item<double>()));
  EXPECT_TRUE(std::isnan(high[1].item<double>()));
}

TEST(Bca, AConstantHasItselfForBounds) {
  const auto [low, high] =
      bca_bounds(at::ones({1}, at::kDouble), at::ones({50, 1}, at::kDouble), at::ones({5, 1}, at::kDouble));
  EXPECT_EQ(low.item<double>(), 1);
  EXPECT_EQ(high.item<double>(), 1);
}

TEST(Bca, DrawsThatAllLieOnOneSideOfTheValueGiveNoInterval) {
  const auto draws = at::linspace(1, 2, 101, at::kDouble).view({101, 1});
  for (const double value : {0.9, 1.5, 2.1}) {
    const auto [low, high] = bca_bounds(at::tensor({value}, at::kDouble), draws, at::ones({5, 1}, at::kDouble));
    EXPECT_EQ(std::isnan(low.item<double>()), value != 1.5) << value;
    EXPECT_EQ(std::isnan(high.item<double>()), value != 1.5) << value;
  }
}

TEST(Measure, IsTheSameForTheSameSeedOnly) {
  const auto interval = [](uint64_t seed) {
    Measure measure({500, seed});
    measure.mean("m", condition("_bos"), at::tensor({1.0, 2.0, 4.0, 8.0, 16.0}));
    return measure.take().metrics.front();
  };
  EXPECT_EQ(interval(3).name, "m_bos");
  EXPECT_DOUBLE_EQ(interval(3).value, 6.2);
  EXPECT_EQ(interval(3).n, 5);
  EXPECT_EQ(*interval(3).low, *interval(3).low);
  EXPECT_NE(*interval(3).low, *interval(4).low);
  EXPECT_LT(*interval(3).low, 6.2);
  EXPECT_GT(*interval(3).high, 6.2);
}

TEST(Measure, KeepsAColumnOnce) {
  const auto a = at::tensor({1.0, 2.0}), b = at::tensor({3.0, 5.0});
  Measure measure(kOptions);
  measure.mean("a", condition(), a);
  measure.mean("a", condition(), a);
  measure.mean("a", condition(), b);  // another one of the same name is a mistake that shall be seen
  const auto samples = measure.take().samples;
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[1].values, (std::vector<double>{3, 5}));
}

TEST(Measure, RatioIsTheRatioOfMeansResampledTogether) {
  const auto b = at::tensor({1.0, 5.0, 2.0, 9.0, 3.0});
  Measure measure(kOptions);
  measure.ratio("r", condition(), 3 * b, b);
  const auto metric = measure.take().metrics.front();
  EXPECT_NEAR(metric.value, 3, 1e-12);
  EXPECT_NEAR(*metric.low, 3, 1e-12);  // paired: no resample can break an exact proportion
  EXPECT_NEAR(*metric.high, 3, 1e-12);
}

TEST(Measure, FindsAMaximumAgainOnEveryResample) {
  const auto values = at::tensor({0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0}).view({5, 2});
  Measure measure(kOptions);
  measure.of_means({"largest", "which"}, condition(), {{"a"}, {"b"}}, values, [](std::span<const double> means) {
    return std::vector<double>{std::max(means[0], means[1]), means[1] > means[0] ? 1.0 : 0.0};
  });
  const auto measured = measure.take();
  const auto& metrics = measured.metrics;
  ASSERT_EQ(measured.samples.size(), 2U);
  EXPECT_EQ(measured.samples[1].metric, "b");
  EXPECT_EQ(measured.samples[1].values, (std::vector<double>{1, 0, 1, 0, 0}));
  EXPECT_DOUBLE_EQ(metrics[0].value, 0.6);
  EXPECT_GE(*metrics[0].low, 0.5);  // the larger of two shares that add up to one
  EXPECT_DOUBLE_EQ(*metrics[1].low, 0);
  EXPECT_DOUBLE_EQ(*metrics[1].high, 1);
}

TEST(Measure, OneSequenceHasNoInterval) {
  Measure measure(kOptions);
  measure.mean("m", condition(), at::tensor({2.0}).to(at::kDouble));
  measure.by_layer("s", condition(), at::ones({1, 3}, at::kDouble), 3);
  const auto measured = measure.take();
  EXPECT_FALSE(measured.metrics.front().low.has_value());
  EXPECT_TRUE(measured.series.front().low.empty());
}

TEST(Measure, SeriesKeepNaNWhereAQuantityDoesNotExist) {
  auto values = at::ones({4, 2}, at::kDouble);
  values[1][1] = std::nan("");
  Measure measure(kOptions);
  measure.by_layer("s", condition(), values, 2);
  const auto series = measure.take().series.front();
  EXPECT_DOUBLE_EQ(series.low[0], 1);
  EXPECT_TRUE(std::isnan(series.y[1]));
  EXPECT_TRUE(std::isnan(series.low[1]));
}

TEST(Measure, BoundsEncloseTheMean) {
  Measure measure(kOptions);
  const auto values = at::arange(40, at::kDouble).view({20, 2});
  measure.by_layer("s", condition(), values, 2);
  const auto series = measure.take().series.front();
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_LT(series.low[i], series.y[i]);
    EXPECT_GT(series.high[i], series.y[i]);
  }
}

// ---- what is judged

Condition sequences(int64_t n) {
  Condition one;
  one.tokens = make_tokens(at::zeros({n, 1}, at::kLong), "random");
  return one;
}

/// The mean of x with each of the weights, and log of its variance.
OfWeights weighted_mean_of(const Tensor& x) {
  return [x](const Tensor& weights) { return at::matmul(weights, x).unsqueeze(1); };
}
OfWeights log_variance_of(const Tensor& x) {
  return [x](const Tensor& weights) {
    const auto mean = at::matmul(weights, x).unsqueeze(1);      // [R, 1]
    return (weights * (x - mean).square()).sum(1, true).log();  // [R, 1]
  };
}

TEST(Judged, KeepsItsUnitsAndHasTheIntervalOfItsTest) {
  Measure measure(kOptions);
  const std::vector<double> values = {0.2, 0.9, 1.4, 0.3, 5.0};
  measure.judged("contrast", condition("_bos"), at::tensor(values, at::kDouble), {{"spike", 3}});
  const auto measurement = measure.take();
  const auto [low, high] = MeanTest(values).interval();
  EXPECT_EQ(measurement.metrics[0].name, "contrast_bos");
  EXPECT_EQ(measurement.metrics[0].low, low);
  EXPECT_EQ(measurement.metrics[0].high, high);
  EXPECT_EQ(measurement.metrics[0].n, 5);
  EXPECT_EQ(measurement.samples[0].values, values);
  EXPECT_EQ(measurement.samples[0].metric, "contrast_bos");
  EXPECT_EQ(measurement.samples[0].where, measurement.metrics[0].where);
}

TEST(Judged, PseudoValuesOfAMeanAreItsBlocksMeans) {
  const auto x = at::arange(35, at::kDouble).square();
  Measure measure(kOptions);
  measure.judged_population("m", sequences(35), weighted_mean_of(x));
  const auto measurement = measure.take();
  const auto& units = measurement.samples[0].values;
  ASSERT_EQ(units.size(), 16u);  // of two sequences each; the last three are left out
  for (int64_t i = 0; i < 16; ++i) EXPECT_NEAR(units[i], x.slice(0, 2 * i, 2 * i + 2).mean().item<double>(), 1e-9);
  EXPECT_EQ(measurement.metrics[0].n, 16);
  EXPECT_EQ(measurement.metrics[1].name, "m_plug_in");
  EXPECT_NEAR(measurement.metrics[1].value, x.slice(0, 0, 32).mean().item<double>(), 1e-9);
}

TEST(Judged, IsCutToTheRangeOfTheMetric) {
  const auto x = at::arange(32, at::kDouble);
  Measure measure(kOptions);
  measure.judged_population("m", sequences(32), weighted_mean_of(x), {0, 15});
  const auto metric = measure.take().metrics[0];
  EXPECT_EQ(metric.value, 15);
  EXPECT_EQ(metric.high, 15);
  EXPECT_LT(*metric.low, 15);
}

/// A share reaches no further than 1, and its units stay as they are.
TEST(Judged, AMeansIntervalIsCutToTheRange) {
  const std::vector<double> values = {0.8, 1, 0.8, 1};
  Measure measure(kOptions);
  measure.judged("share", sequences(4), at::tensor(values, at::kDouble), {}, {0, 1});
  const auto measurement = measure.take();
  EXPECT_GT(MeanTest(values).interval().high, 1);
  EXPECT_EQ(measurement.metrics[0].high, 1);
  EXPECT_EQ(measurement.metrics[0].low, MeanTest(values).interval().low);
  EXPECT_EQ(measurement.samples[0].values, values);
}

TEST(Judged, APopulationOfFewerSequencesThanBlocksHasAValueAndNoUnits) {
  Measure measure(kOptions);
  measure.judged_population("m", sequences(15), weighted_mean_of(at::arange(15, at::kDouble)));
  const auto measurement = measure.take();
  ASSERT_EQ(measurement.metrics.size(), 1u);
  EXPECT_NEAR(measurement.metrics[0].value, 7, 1e-12);
  EXPECT_FALSE(measurement.metrics[0].low);
  EXPECT_TRUE(measurement.samples.empty());
}

/// Log variances are skewed and biased; 128 sequences are what the paper's variance claims have at least.
TEST(Judged, TheIntervalOfALogVarianceCoversTheTruth) {
  constexpr int kSamples = 2000;
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(5);
  int covered = 0;
  for (int i = 0; i < kSamples; ++i) {
    Measure measure(kOptions);
    measure.judged_population("m", sequences(128), log_variance_of(at::randn({128}, generator, at::kDouble)));
    const auto metric = measure.take().metrics[0];
    covered += *metric.low <= 0 && 0 <= *metric.high;
  }
  EXPECT_GE(covered, 0.93 * kSamples) << covered;
}

}  // namespace
}  // namespace replicate
