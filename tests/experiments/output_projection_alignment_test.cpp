// The claim output_projection_alignment on projections of which we know what they read.

#include <gtest/gtest.h>

#include "base/statistics.h"
#include "models/core/watch.h"
#include "tests/support/experiment_fixture.h"
#include "tests/support/heads_and_values.h"

namespace replicate {
namespace {

double alignment(const Trial& trial, const std::string& name) {
  for (const auto& metric : trial.measurement.metrics) {
    if (metric.name == name) return metric.value;
  }
  ADD_FAILURE() << name << " was not measured: " << trial.judgement.reason;
  return 0;
}

Trial trial_of(double power, const std::vector<std::string>& overrides = {}) {
  return ExperimentBench(projecting(power)).run("output_projection_alignment", overrides);
}

TEST(OutputProjectionAlignment, PassesWhereTheProjectionReadsWhatVaries) {
  const auto trial = trial_of(1);
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(alignment(trial, "permutations_reaching_tau"), 0);
  EXPECT_NEAR(alignment(trial, "kendall_tau_exact_distance_to_paper"), alignment(trial, "kendall_tau_exact") - 0.32,
              1e-12);
}

TEST(OutputProjectionAlignment, FailsWhereItReadsWhatVariesLeast) {
  const auto trial = trial_of(-1);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_LT(alignment(trial, "kendall_tau_exact"), -0.16);
  EXPECT_EQ(alignment(trial, "permutations_reaching_tau"), 999);
}

TEST(OutputProjectionAlignment, FailsWhereItKnowsNothingOfTheVariances) {
  const auto trial = trial_of(0);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_GT(alignment(trial, "permutations_reaching_tau"), 2);
  EXPECT_GT(alignment(trial, "log_variance_ratio_after"), 0);  // by arithmetic
}

/// Heads of a group share values, so query heads 1 and 2 read the dimensions of key/value head 1.
TEST(OutputProjectionAlignment, TauIsThatOfTheVarianceOverEveryOrdinaryId) {
  const auto model = projecting(1);
  ExperimentBench bench(model);
  const auto ids = bench.maker().one_token_each(1000);
  EXPECT_EQ(ids->sequences(), 199);                                                                     // all but BOS
  const auto value = only_in({2}, watch(Site::value, [](const Tensor& v) { return v.select(2, 0); }));  // [b, G, K]
  run({{model, ids, {}, {value}}}, {});
  const auto variance = value->layer(2).var(0).repeat_interleave(2, 0).flatten().contiguous();  // [H K]
  const auto weight = model->weights->block(2).output.abs().to(at::kDouble).contiguous();       // [D, H K]
  const auto inputs = static_cast<size_t>(weight.size(1));
  double sum = 0;
  for (int64_t i = 0; i < weight.size(0); ++i) {
    sum += kendall_tau_b({weight[i].const_data_ptr<double>(), inputs}, {variance.const_data_ptr<double>(), inputs});
  }
  EXPECT_NEAR(alignment(bench.run("output_projection_alignment"), "kendall_tau_exact"),
              sum / static_cast<double>(weight.size(0)), 1e-6);
}

TEST(OutputProjectionAlignment, TauDependsOnTheIdsAndNotOnTheSequences) {
  const auto tau = [](const std::vector<std::string>& overrides) {
    return alignment(trial_of(1, overrides), "kendall_tau_exact");
  };
  const auto all = tau({});
  EXPECT_EQ(tau({"random.sequences=24"}), all);
  EXPECT_NE(tau({"most_ids=20"}), all);
}

}  // namespace
}  // namespace replicate
