// The claim mask_induced_sink on the planted model: what it judges, and that it can fail.

#include <gtest/gtest.h>

#include "harness/study/measures/sink_probes.h"
#include "tests/support/planted_variant.h"

namespace replicate {
namespace {

TEST(MaskInducedSink, PassesWhereOnlyWhatAPositionSeesDecides) {
  ExperimentBench bench(planted_model(1), {.sequences = 16, .length = 64});
  const auto trial = bench.run("mask_induced_sink");
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::supports);
  EXPECT_EQ(metric_in(trial, "dose_contrast").where.at("spike"), kPlantedSpike);
}

TEST(MaskInducedSink, FailsWhereTheTargetDrawsLessThanItsShare) {
  ExperimentBench bench(planted_model(1), {.sequences = 16, .length = 64});
  for (const auto* asked : {"share_of_first=2", "times_untouched=5000"}) {
    const auto trial = bench.run("mask_induced_sink", {asked});
    EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << asked << ": " << trial.judgement.reason;
    EXPECT_EQ(trial.judgement.bearing, Bearing::contradicts) << asked;
  }
}

/// One of four targets may miss; two may not.
TEST(MaskInducedSink, IsJudgedAtThreeOfFourTargets) {
  ExperimentBench bench(planted_model(1), {.sequences = 16, .length = 64});
  const auto trial = bench.run("mask_induced_sink");
  for (const auto& [missing, verdict] :
       {std::pair{std::set<std::string>{"5"}, Verdict::pass}, {{"5", "20"}, Verdict::fail}, {{"10"}, Verdict::fail}}) {
    auto measured = trial.measurement;
    for (auto& samples : measured.samples) {
      for (const auto& target : missing) {
        if (samples.metric != "masked_beyond_share_of_first_k" + target) continue;
        for (auto& value : samples.values) value = -value;
      }
    }
    EXPECT_EQ(judge(measured, trial.judging, at_spike(kPlantedSpike)).verdict, verdict) << missing.size();
  }
}

/// Against the columns of the two passes, averaged here.
TEST(MaskInducedSink, MeasuresWhatItSays) {
  constexpr int64_t kTarget = 10, kLength = 64;
  ExperimentBench bench(planted_model(1), {.sequences = 16, .length = kLength});
  const auto trial = bench.run("mask_induced_sink");
  const auto tokens = bench.maker().make(InputKind::natural, {16, kLength});
  const auto columns = watch_columns({0, kTarget}), untouched = watch_columns({kTarget});
  const auto model = planted_model(1);
  run({{model, tokens, {RowMask{{1, 6}, {kTarget, {{kTarget}}}}}, {columns}}, {model, tokens, {}, {untouched}}}, {});
  const auto mean = [&](const Watch& watch, int64_t which) {  // layers 3 to 6, queries 11 to 63
    return watch.layers().slice(1, 2).select(2, which).slice(2, kTarget + 1).mean({1, 2});  // [B]
  };
  const auto share = (mean(*columns, 1) - 0.5 * mean(*columns, 0)).mean().item<double>();
  const auto times = (mean(*columns, 1) - 5 * mean(*untouched, 0)).mean().item<double>();
  EXPECT_NEAR(metric_in(trial, "masked_beyond_share_of_first_k10").value, share, 1e-6);
  EXPECT_NEAR(metric_in(trial, "masked_beyond_times_untouched_k10").value, times, 1e-6);
}

TEST(MaskInducedSink, IsNotApplicableWithoutAStage) {
  for (const auto circuit : {Circuit::spike_without_sink, Circuit::sink_without_spike}) {
    ExperimentBench bench(planted_model(1, 1, circuit), {.sequences = 16, .length = 64});
    const auto trial = bench.run("mask_induced_sink");
    EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
    EXPECT_EQ(trial.judgement.reason, "no spike with a sink after it");
  }
}

}  // namespace
}  // namespace replicate
