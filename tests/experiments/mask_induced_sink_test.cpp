// The claim mask_induced_sink on the planted model: what it judges, and that it can fail.

#include <gtest/gtest.h>

#include <numeric>

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

/// The bytes that the first digits of base64 stand for.
std::vector<int> first_bytes(const std::string& digits, size_t count) {
  const std::string known = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<int> bytes;
  for (size_t i = 0; bytes.size() < count; i += 4) {
    size_t group = 0;
    for (size_t k = 0; k < 4; ++k) group = group << 6 | (known.find(digits[i + k]) & 63);
    for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<int>(group >> shift & 255));
  }
  return bytes;
}

/// Against the columns of a pass over the same text.
TEST(MaskInducedSink, ShowsTheAttentionOfEveryHead) {
  constexpr int64_t kPositions = 20, kOfAHead = kPositions * (kPositions + 1) / 2;
  ExperimentBench bench(planted_model(1), {.sequences = 16, .length = 64});
  const auto maps = bench.run("mask_induced_sink").measurement.head_maps;
  ASSERT_TRUE(maps);
  const auto model = planted_model(1);
  EXPECT_EQ(maps->layers, model->config.layers);
  EXPECT_EQ(maps->heads, model->config.heads);
  EXPECT_EQ(maps->positions(), kPositions);
  EXPECT_EQ(maps->passes.size() * maps->texts.size(), 4U);
  const auto tokens = bench.maker().make(InputKind::natural, {16, 64});
  std::vector<int64_t> keys(kPositions);
  std::iota(keys.begin(), keys.end(), 0);
  const auto columns = watch_attention({.columns = keys}, [&](const AttentionStatistics& s) {
    return s.columns.slice(2, 0, kPositions);  // [b, H, q, k]
  });
  run({{model, tokens, {}, {columns}}}, {});
  const auto bytes = first_bytes(maps->shares, static_cast<size_t>(maps->layers * maps->heads * kOfAHead));
  size_t at = 0;
  for (int64_t layer = 1; layer <= maps->layers; ++layer) {
    const auto shares = columns->layer(layer)[0];  // [H, q, k]
    for (int64_t h = 0; h < maps->heads; ++h)
      for (int64_t q = 0; q < kPositions; ++q)
        for (int64_t k = 0; k <= q; ++k)
          ASSERT_NEAR(bytes[at++] / 255.0, shares[h][q][k].item<double>(), 0.6 / 255) << layer << " " << h << " " << q;
  }
}

}  // namespace
}  // namespace replicate
