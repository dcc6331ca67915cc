// The claim discrepancy_amplification on models of which we know how much the spike varies over texts.

#include <gtest/gtest.h>

#include "tests/support/planted_spike_variance.h"

namespace replicate {
namespace {

Trial amplification_of(const std::shared_ptr<const Model>& model, int64_t sequences = 64) {
  return ExperimentBench(model, {.sequences = sequences}).run("discrepancy_amplification");
}

/// Log variance over texts at position 0, less the mean of the others', from plain tensors [B, P, D].
double log_ratio_of(const Tensor& x) {
  const auto logs = x.var(0).mean(1).log();  // [P]
  return (logs[0] - logs.slice(0, 1).mean()).item<double>();
}

TEST(DiscrepancyAmplification, PassesWhereTheSpikeVariesMoreThanWhatAttentionWrites) {
  const auto trial = amplification_of(planted_model(1));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::supports);
  EXPECT_EQ(metric_in(trial, "log_variance_ratio_gain").where.at("spike"), kPlantedSpike);
}

/// Of 256 texts of 94 letters a few begin with the same letter twice: position 1 has a spike there.
TEST(DiscrepancyAmplification, IsNotDecidedByOnePositionWithASpikeInAFewTexts) {
  const auto trial = amplification_of(planted_model(1), 256);
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
}

TEST(DiscrepancyAmplification, FailsWhereTheSpikeIsTheSameForAllTexts) {
  const auto trial = amplification_of(constant_spike());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::contradicts);
  EXPECT_LT(metric_in(trial, "variance_ratio_of_ffn").value, 1.5);
  EXPECT_GT(metric_in(trial, "variance_ratio_of_attention").value, 3);
}

TEST(DiscrepancyAmplification, FailsWhereTokensAtAnyPositionHaveASpike) {
  const auto trial = amplification_of(spikes_at_marked_tokens(10), 256);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
}

TEST(DiscrepancyAmplification, IsTheJackknifeOfTheDifferenceWrittenOut) {
  const auto model = planted_model(1);
  ExperimentBench bench(model, {.sequences = 64});
  const auto trial = bench.run("discrepancy_amplification");
  const auto as_it_is = [](const Tensor& x) { return x; };
  const auto attention = watch(Site::projected, as_it_is), ffn = watch(Site::ffn_output, as_it_is);
  const auto tokens = bench.maker().make(InputKind::random, {64, 32});
  run({{model, tokens, {}, {only_in({kPlantedSpike}, attention), only_in({kPlantedSpike}, ffn)}}}, {});
  const auto without = [](const Tensor& all, int64_t block) {
    return at::cat({all.slice(0, 0, 4 * block), all.slice(0, 4 * block + 4)});
  };
  const auto written = ffn->layer(kPlantedSpike), before = attention->layer(kPlantedSpike);  // [B, P, D]
  const double plug_in = log_ratio_of(written) - log_ratio_of(before);
  double pseudo = 0;
  for (int64_t block = 0; block < 16; ++block) {
    const double others = log_ratio_of(without(written, block)) - log_ratio_of(without(before, block));
    pseudo += (16 * plug_in - 15 * others) / 16;
  }
  EXPECT_NEAR(metric_in(trial, "log_variance_ratio_gain_plug_in").value, plug_in, 1e-4);
  EXPECT_NEAR(metric_in(trial, "log_variance_ratio_gain").value, pseudo, 1e-3);
  EXPECT_NEAR(std::log(metric_in(trial, "variance_ratio_of_ffn").value), log_ratio_of(written), 1e-4);
  EXPECT_NEAR(std::log(metric_in(trial, "variance_ratio_of_attention").value), log_ratio_of(before), 1e-4);
}

TEST(DiscrepancyAmplification, IsOpenOnFewerSequencesThanBlocks) {
  ExperimentBench bench(planted_model(1));
  EXPECT_EQ(bench.run("discrepancy_amplification", {"random.sequences=12"}).judgement.verdict, Verdict::inconclusive);
}

TEST(DiscrepancyAmplification, IsNotApplicableWithoutASpikeAndASinkOrWithBos) {
  for (const auto circuit : {Circuit::spike_without_sink, Circuit::sink_without_spike}) {
    const auto trial = amplification_of(planted_model(1, 1, circuit), 16);
    EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
    EXPECT_EQ(trial.judgement.reason, "no spike with a sink after it");
  }
  const auto trial = ExperimentBench(planted_model(1), {.sequences = 16, .bos = true}).run("discrepancy_amplification");
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(trial.judgement.reason.rfind("measured with BOS", 0), 0U) << trial.judgement.reason;
}

/// The described curves against the same passes, in the layer of the spike.
TEST(DiscrepancyAmplification, DescribesBothReadingsInEveryLayer) {
  const auto model = planted_model(1);
  ExperimentBench bench(model, {.sequences = 64});
  const auto trial = bench.run("discrepancy_amplification");
  const auto ffn = watch(Site::ffn_output, [](const Tensor& x) { return x; });
  run({{model, bench.maker().make(InputKind::random, {64, 32}), {}, {only_in({kPlantedSpike}, ffn)}}}, {});
  const auto written = ffn->layer(kPlantedSpike);     // [B, P, D]
  const auto spread = written.var(2, false).mean(0);  // [P]
  const auto at_spike = [&](const std::string& name) {
    for (const auto& series : trial.measurement.series) {
      if (series.name == name && series.inputs == "random") return series.y.at(kPlantedSpike - 1);
    }
    throw std::runtime_error("no series " + name);
  };
  EXPECT_NEAR(std::log(at_spike("variance_ratio_ffn")), log_ratio_of(written), 1e-4);
  const double ratio = (spread[0] / spread.slice(0, 1).mean()).item<double>();
  EXPECT_NEAR(at_spike("spread_ratio_ffn"), ratio, 1e-4 * ratio);
  EXPECT_GT(at_spike("variance_ratio_residual"), at_spike("variance_ratio_attention"));
}

}  // namespace
}  // namespace replicate
