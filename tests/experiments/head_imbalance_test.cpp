// The claim head_imbalance on heads of which we know how sharply they attend and how much their values vary.

#include <gtest/gtest.h>

#include "base/statistics.h"
#include "models/core/watch.h"
#include "tests/support/experiment_fixture.h"
#include "tests/support/heads_and_values.h"

namespace replicate {
namespace {

const Samples& correlations(const Trial& trial) {
  for (const auto& samples : trial.measurement.samples) {
    if (samples.metric == "entropy_deviation_spearman") return samples;
  }
  throw Error("no samples", trial.judgement.reason, "");
}

TEST(HeadImbalance, PassesWhereSharpHeadsVaryMore) {
  ExperimentBench bench(sharpening(1));
  const auto trial = bench.run("head_imbalance");
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_LT(mean(correlations(trial).values), -0.8);
}

TEST(HeadImbalance, FailsWhereTheValuesOfSharpHeadsAreSmall) {
  ExperimentBench bench(sharpening(0.3));
  const auto trial = bench.run("head_imbalance");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_GT(mean(correlations(trial).values), 0.8);
}

/// One layer, one sequence: entropy and deviation of each head from the attention matrix and the outputs themselves.
double correlation_of(const Tensor& matrix, const Tensor& outputs, int64_t sequence) {
  std::vector<double> entropy, deviation;
  const auto length = outputs.size(1);
  for (int64_t h = 0; h < outputs.size(2); ++h) {
    double nats = 0, distance = 0;
    for (int64_t q = 1; q < length; ++q) {
      const auto row = matrix[sequence][h][q].slice(0, 0, q + 1);
      nats -= at::xlogy(row, row).sum().item<double>();
      const auto output = outputs.select(1, q).select(1, h);  // [B, K]
      distance += (output[sequence] - output.mean(0)).square().sum().item<double>();
    }
    entropy.push_back(nats);
    deviation.push_back(distance);
  }
  return spearman(entropy, deviation);
}

TEST(HeadImbalance, IsTheRankCorrelationWrittenOut) {
  const auto model = changed_model(eight_heads(), [](int64_t, BlockWeights& weights) {
    weights.query.mul_(20);  // heads that differ, in no particular order
    weights.key.mul_(20);
  });
  ExperimentBench bench(model);
  const auto trial = bench.run("head_imbalance");
  const auto& measured = correlations(trial).values;
  const auto tokens = bench.maker().make(InputKind::natural, {16, 64});
  std::vector<int64_t> queries;
  for (int64_t q = 0; q < 64; ++q) queries.push_back(q);
  const auto rows = watch_attention({.rows = queries}, [](const AttentionStatistics& s) { return s.rows; });
  const auto outputs = watch(Site::head_output, [](const Tensor& o) { return o.clone(); });
  run({{model, tokens, {}, {only_in({1, 2}, rows), only_in({1, 2}, outputs)}}}, {});
  ASSERT_EQ(measured.size(), 16U);
  for (const int64_t b : {0, 5, 15}) {
    const auto of_layer = [&](int64_t layer) { return correlation_of(rows->layer(layer), outputs->layer(layer), b); };
    EXPECT_NEAR(measured[b], (of_layer(1) + of_layer(2)) / 2, 1e-9) << b;
  }
}

TEST(HeadImbalance, DoesNotApplyToFewHeads) {
  ExperimentBench bench(planted_model(1));
  const auto trial = bench.run("head_imbalance");
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(trial.judgement.reason, "fewer than 8 heads");
  EXPECT_EQ(ExperimentBench(sharpening(1)).run("head_imbalance", {"least_heads=9"}).judgement.reason,
            "fewer than 9 heads");
}

TEST(HeadImbalance, NothingIsLeftOverAveragingWhereAveragingIsAll) {
  ExperimentBench bench(sharpening(1));
  const auto trial = bench.run("head_imbalance");
  for (const auto& series : trial.measurement.series) {
    if (series.name != "head_variance_over_predicted_layer1" || series.inputs != "natural") continue;
    for (const double ratio : series.y) EXPECT_NEAR(ratio, 1, 0.5);
    return;
  }
  FAIL() << "head_variance_over_predicted_layer1 was not reported";
}

}  // namespace
}  // namespace replicate
