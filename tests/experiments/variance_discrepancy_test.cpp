// The claim variance_discrepancy on models of which we know how much attention averages.

#include <gtest/gtest.h>

#include "base/statistics.h"
#include "harness/study/measures/position_variance.h"
#include "models/core/watch.h"
#include "tests/support/experiment_fixture.h"
#include "tests/support/heads_and_values.h"

namespace replicate {
namespace {

const std::string kSize = "random.sequences=64";

const Metric& discrepancy(const Trial& trial, const std::string& name) {
  for (const auto& metric : trial.measurement.metrics) {
    if (metric.name == name) return metric;
  }
  throw Error(name + " was not measured", trial.judgement.reason, "");
}

/// Variance over sequences of layer 2's head outputs by position, mean over dimensions, from plain tensors: [P].
std::vector<double> variances_of(const Tensor& outputs) {
  const auto variance = outputs.slice(1, 0, 32).var(0).mean(1).contiguous();  // [B, T, H K] -> [P]
  return {variance.const_data_ptr<double>(), variance.const_data_ptr<double>() + 32};
}

double log_ratio_of(const std::vector<double>& variances) {
  return std::log(variances[0] / mean(std::span(variances).subspan(1)));
}

TEST(VarianceDiscrepancy, PassesWhereAttentionAverages) {
  ExperimentBench bench(planted_model(0));
  const auto trial = bench.run("variance_discrepancy", {kSize});
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent) << "fresh weights pass as well";
  EXPECT_GT(discrepancy(trial, "log_variance_ratio_first_to_rest").value, 1);
  EXPECT_EQ(discrepancy(trial, "log_variance_ratio_first_to_rest").where.at("layer"), 2);
}

TEST(VarianceDiscrepancy, FailsWhereEveryPositionLooksAtItself) {
  ExperimentBench bench(self_looking_model());
  const auto trial = bench.run("variance_discrepancy", {kSize});
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::contradicts);
  EXPECT_LT(discrepancy(trial, "log_variance_ratio_first_to_rest").value, 0.3);
}

TEST(VarianceDiscrepancy, PassesOnFreshWeights) {
  ExperimentBench bench(changed_model(planted_config(), [](int64_t, BlockWeights&) {}));
  EXPECT_EQ(bench.run("variance_discrepancy", {kSize}).judgement.verdict, Verdict::pass);
}

TEST(VarianceDiscrepancy, IsTheJackknifeOfTheLogRatioWrittenOut) {
  ExperimentBench bench(planted_model(1));
  const auto trial = bench.run("variance_discrepancy", {kSize});
  const auto outputs = watch(Site::head_output, [](const Tensor& x) { return x.flatten(2); });
  run({{planted_model(1), bench.maker().make(InputKind::random, {64, 32}), {}, {only_in({2}, outputs)}}}, {});
  const auto all = outputs->layer(2);  // [64, T, H K]
  const double plug_in = log_ratio_of(variances_of(all));
  double pseudo = 0;
  for (int64_t block = 0; block < 16; ++block) {
    const auto others = at::cat({all.slice(0, 0, 4 * block), all.slice(0, 4 * block + 4)});
    pseudo += (16 * plug_in - 15 * log_ratio_of(variances_of(others))) / 16;
  }
  EXPECT_NEAR(discrepancy(trial, "log_variance_ratio_first_to_rest_plug_in").value, plug_in, 1e-6);
  EXPECT_NEAR(discrepancy(trial, "log_variance_ratio_first_to_rest").value, pseudo, 1e-5);
  EXPECT_NEAR(discrepancy(trial, "variance_decay_spearman_plug_in").value,
              spearman(variance_positions(), variances_of(all)), 1e-9);
}

TEST(VarianceDiscrepancy, IsOpenOnFewerSequencesThanBlocks) {
  ExperimentBench bench(planted_model(1));
  EXPECT_EQ(bench.run("variance_discrepancy", {"random.sequences=12"}).judgement.verdict, Verdict::inconclusive);
}

TEST(VarianceDiscrepancy, DoesNotApplyToASingleLayer) {
  auto config = planted_config();
  config.layers = 1;
  ExperimentBench bench(changed_model(config, [](int64_t, BlockWeights&) {}));
  const auto trial = bench.run("variance_discrepancy");
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(trial.judgement.reason, "the model has no layer 2");
}

TEST(VarianceDiscrepancy, DoesNotApplyWherePositionZeroIsAlwaysTheSame) {
  Context context{Parameters()};
  context.model = planted_model(1);
  const auto alike = make_tokens(at::tensor({1, 2, 1, 3}, at::kLong).view({2, 2}));
  const auto apart = make_tokens(at::tensor({1, 2, 2, 3}, at::kLong).view({2, 2}));
  const auto why = [&](const Tokens& tokens) { return why_no_variance(context, {tokens, context.model, ""}); };
  EXPECT_FALSE(why(apart).has_value());
  EXPECT_EQ(why(alike)->rfind("every sequence begins with the same token", 0), 0U);
  context.bos = true;
  EXPECT_EQ(why(apart)->rfind("measured with BOS", 0), 0U);
  context.bos = false;
  context.given = apart;
  EXPECT_EQ(why(apart)->rfind("judged on random ids", 0), 0U);
}

}  // namespace
}  // namespace replicate
