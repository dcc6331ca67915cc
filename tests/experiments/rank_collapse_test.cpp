// The claim rank_collapse on models of which we know whether the ordinary rows collapse across the spike.

#include <gtest/gtest.h>

#include "tests/support/planted_variant.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

/// exp(entropy of the singular values) of rows [n, D].
double rank_by_svd(const Tensor& rows) {
  const auto values = std::get<1>(at::linalg_svd(rows.to(at::kDouble)));
  const auto p = values / values.sum();
  return at::exp(-(p * p.clamp_min(1e-300).log()).sum()).item<double>();
}

Trial rank_trial(const std::shared_ptr<const Model>& model) { return ExperimentBench(model).run("rank_collapse"); }

TEST(RankCollapse, FailsWhereTheDropIsTheMassiveRowsOwn) {
  ExperimentBench bench(planted_model(1));
  const auto trial = bench.run("rank_collapse");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_GT(metric_in(trial, "rank_drop_of_all_rows").value, 0.3);
  EXPECT_LT(std::abs(metric_in(trial, "rank_drop_of_ordinary_rows").value), 0.1);
  const auto& notes = trial.measurement.notes;
  EXPECT_TRUE(std::ranges::any_of(notes, [](const std::string& note) {
    return note.find("The figure's drop is present, but comes from the massive rows.") != std::string::npos;
  }));
}

TEST(RankCollapse, PassesWhereOrdinaryRowsGetACommonDirection) {
  const auto trial = rank_trial(planted_with_shared_dimension(30));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_GT(metric_in(trial, "rank_drop_of_ordinary_rows").value, 0.12);
}

TEST(RankCollapse, LeavesTheSameRowsOutOnBothSides) {
  const auto model = planted_with_shared_dimension(30);
  ExperimentBench bench(model);
  const auto trial = bench.run("rank_collapse");
  const auto stream = residual();
  run({{model, bench.maker().make(InputKind::natural, {16, 64}), {}, {stream}}}, {});
  double beyond = 0;
  for (int64_t b = 0; b < 16; ++b) {
    const auto before = stream->layer(kPlantedSpike)[b], after = stream->layer(kPlantedSpike + 1)[b];  // [T, D]
    const auto norms = after.square().sum(1).sqrt();
    const auto rows = (norms <= 5 * norms.median()).nonzero().flatten();
    EXPECT_EQ(rows.numel(), 63) << b;  // position 0 alone is massive
    beyond += (0.88 * rank_by_svd(before.index_select(0, rows)) - rank_by_svd(after.index_select(0, rows))) / 16;
  }
  EXPECT_NEAR(metric_in(trial, "ordinary_rank_lost_beyond").value, beyond, 1e-3);
}

TEST(RankCollapse, IsNotApplicableWithoutASpikeAndASink) {
  for (const auto circuit : {Circuit::spike_without_sink, Circuit::sink_without_spike}) {
    const auto trial = rank_trial(planted_model(1, 1, circuit));
    EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
    EXPECT_EQ(trial.judgement.reason, "no spike with a sink after it");
  }
}

}  // namespace
}  // namespace replicate
