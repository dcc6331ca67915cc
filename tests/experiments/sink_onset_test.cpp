// The claim sink_onset on a planted model of ten layers, in which the sink begins where we let it begin.

#include <gtest/gtest.h>

#include "harness/study/measures/sink_probes.h"
#include "tests/support/experiment_fixture.h"
#include "tests/support/planted_deep.h"

namespace replicate {
namespace {

using enum Circuit;

constexpr int64_t kNever = 11;

const std::string kLongEnough = "natural.length=256";

Trial onset_of(const std::shared_ptr<const Model>& model, const std::vector<std::string>& overrides = {kLongEnough}) {
  return ExperimentBench(model, Sizes{.length = 128}).run("sink_onset", overrides);
}

double onset_metric(const Trial& trial, const std::string& name) {
  for (const auto& metric : trial.measurement.metrics) {
    if (metric.name == name) return metric.value;
  }
  ADD_FAILURE() << name << " was not measured: " << trial.judgement.reason;
  return 0;
}

TEST(SinkOnset, PassesWhereTheSinkBeginsRightAfterTheSpike) {
  const auto trial = onset_of(deep_model(3));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(onset_metric(trial, "onset_cells"), 27);
  EXPECT_EQ(onset_metric(trial, "onset_cells_met"), 27);
}

TEST(SinkOnset, FailsWhereTheSinkBeginsTwoLayersLater) {
  const auto trial = onset_of(deep_model(5));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(onset_metric(trial, "onset_cells_met"), 0);
  EXPECT_LT(onset_metric(trial, "onset_correlation_lead"), 0);
}

TEST(SinkOnset, FailsWhereASinkComesBeforeTheSpike) {
  const auto trial = onset_of(model_with_an_early_sink());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(onset_metric(trial, "onset_layer"), 3);
  EXPECT_EQ(onset_metric(trial, "dominant_spike"), 4);
  EXPECT_EQ(onset_metric(trial, "onset_cells_met"), 0);
}

TEST(SinkOnset, FailsWhereASinkHasNoSpike) {
  const auto trial = onset_of(deep_model(1, sink_without_spike));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(onset_metric(trial, "onset_cells_met"), 0);
}

TEST(SinkOnset, DoesNotApplyWhereNoLayerHasASink) {
  const auto trial = onset_of(deep_model(kNever));
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(trial.judgement.reason.rfind("no sink", 0), 0U) << trial.judgement.reason;
}

TEST(SinkOnset, DoesNotApplyToFewLayers) {
  const auto trial = onset_of(planted_model(1));
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(trial.judgement.reason, "fewer than 8 layers");
  EXPECT_EQ(onset_of(deep_model(3), {"least_layers=11"}).judgement.reason, "fewer than 11 layers");
}

TEST(SinkOnset, ComparesWithAsManyNeighboursAsItsParameterSays) {
  const auto lead = [](const std::string& farthest) {
    return onset_metric(onset_of(deep_model(5), {"farthest_shift=" + farthest}), "onset_correlation_lead");
  };
  EXPECT_GT(lead("1"), lead("2")) << "the spike lies two layers before the sink";
}

TEST(SinkOnset, ShorterTextsLeaveFewerCells) {
  const auto trial = onset_of(deep_model(3), {"natural.length=96"});
  EXPECT_EQ(onset_metric(trial, "onset_cells"), 9);
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  const auto short_texts = onset_of(deep_model(3), {"natural.length=48"});
  EXPECT_EQ(short_texts.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(short_texts.judgement.reason, "too short: all lengths of the grid exceed 48 tokens");
}

/// Pearson's correlation over layers of attention with the norm ratio `shift` layers on, edges repeated.
double shifted_correlation(const Tensor& excess, const Tensor& log_ratio, int64_t shift) {
  const auto layers = excess.size(0);
  auto moved = at::empty_like(log_ratio);
  for (int64_t l = 0; l < layers; ++l) moved[l] = log_ratio[std::clamp<int64_t>(l + shift, 0, layers - 1)];
  return at::corrcoef(at::stack({excess, moved}))[0][1].item<double>();
}

TEST(SinkOnset, CorrelationsAreThoseOfEachSequenceWrittenOut) {
  const auto model = deep_model(4);
  ExperimentBench bench(model, Sizes{.length = 128});
  const auto trial = bench.run("sink_onset");
  const auto column = watch_columns({0});
  const auto norms = watch_norms();
  run({{model, bench.maker().make(InputKind::natural, {16, 128}), {}, {column, norms}}}, {});
  const auto excess = excess_attention(column->layers().select(2, 0), 0, 128);  // [B, L]
  const auto ratio = (norms->layers().select(2, 0) / norms->layers().select(2, 2)).slice(1, 0, 10).log();
  double here = 0, lead = 0;
  for (int64_t b = 0; b < 16; ++b) {
    const auto at_shift = [&](int64_t shift) { return shifted_correlation(excess[b], ratio[b], shift); };
    double largest = -1;
    for (const int64_t shift : {-3, -2, -1, 1, 2, 3}) largest = std::max(largest, at_shift(shift));
    here += at_shift(0) / 16;
    lead += (at_shift(0) - largest) / 16;
  }
  EXPECT_NEAR(onset_metric(trial, "onset_correlation"), here, 1e-6);
  EXPECT_NEAR(onset_metric(trial, "onset_correlation_lead"), lead, 1e-6);
}

}  // namespace
}  // namespace replicate
