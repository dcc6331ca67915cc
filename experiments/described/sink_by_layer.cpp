// Beside the claim sink_onset: attention to position 0, norms and sink rates by layer, on other inputs, with BOS and in
// a re-initialised model; and onset and spikes as the words define them, found again in each resample. Cost: one
// forward pass per condition.

#include <cstdio>

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// What is observed of one condition.
struct Observed {
  std::shared_ptr<Watch> column;      // attention to position 0, mean over heads: [B, L, 1, T]
  std::shared_ptr<Watch> head_share;  // alpha of Gu et al. per head: [B, L, H]
  std::shared_ptr<Watch> norms;       // [B, L + 1, 3]
  Condition on;
  double eps;          // alpha above which a head is a sink
  double sink_excess;  // excess attention from which on a layer has a sink: the survey's

  Tensor column_of_first() const { return column->layers().select(2, 0); }  // [B, L, T]
  Tensor excess() const { return excess_attention(column_of_first(), 0, on.length()); }
  /// Share of heads that are sinks: [B, L].
  Tensor sink_rate() const { return (head_share->layers() > eps).to(at::kDouble).mean(2); }
};

/// Gu et al. 2024, equation 1: per head, the mean of column 0 over all of the first `length` queries.
std::shared_ptr<Watch> watch_head_share(int64_t length) {
  return watch_attention({.columns = {0}}, [length](const AttentionStatistics& statistics) {
    const auto column = statistics.column(0);  // [B, H, T]
    return column.slice(2, 0, std::min(length, column.size(2))).mean(2);
  });
}

/// The mean excess attention in the layers after a spike; 0 without one.
double excess_after(const SinkSeries& series, int64_t spike) {
  if (spike == 0) return 0;
  const auto after = series.excess.subspan(spike);
  return after.empty() ? 0 : mean(after);
}

/// The last spike before the first layer with a sink; 0 where none is.
int64_t onset_spike(const SinkProfile& profile) {
  int64_t last = 0;
  for (const auto& spike : profile.spikes) {
    if (spike.layer < profile.onset_layer()) last = spike.layer;
  }
  return last;
}

const std::vector<std::string> kOnsetMetrics = {
    "onset_layer",    "onset_after_spike",          "excess_attention_after_spike",      "max_excess_attention",
    "dominant_spike", "onset_after_dominant_spike", "excess_attention_after_onset_spike"};

std::vector<double> onset_metrics(const SinkSeries& series, double sink_excess) {
  const auto profile = series.profile(sink_excess);
  const bool follows = onset_follows_spike(profile, series.first_norm, series.rest_norm);
  return {static_cast<double>(profile.onset_layer()),
          static_cast<double>(follows),
          excess_after(series, profile.dominant_spike),
          *std::max_element(series.excess.begin(), series.excess.end()),
          static_cast<double>(profile.dominant_spike),
          static_cast<double>(profile.dominant_spike > 0 && profile.onset_layer() == profile.dominant_spike + 1),
          excess_after(series, onset_spike(profile))};
}

/// After which spike the sink begins: with several, it need not be the large one.
std::string stages(const SinkProfile& profile) {
  if (profile.onset_layer() == 0) return "No layer has a sink.";
  std::string text = "The sink begins in layer " + std::to_string(profile.onset_layer()) + ". Spikes:";
  for (const auto& spike : profile.spikes) {
    char one[120];
    std::snprintf(one, sizeof one, " layer %lld (norm ratio x %.1f, norm + %.0f)%s",
                  static_cast<long long>(spike.layer), spike.growth, spike.norm_added,
                  spike.layer == profile.dominant_spike ? ", the dominant one;" : ";");
    text += one;
  }
  text.back() = '.';
  return text;
}

/// Columns of samples, one per layer from 1 to `last`.
void add_columns(const std::string& name, int64_t last, std::vector<SampleColumn>& columns) {
  for (int64_t l = 1; l <= last; ++l) columns.push_back({name, {{"layer", l}}});
}

void report_series(const Observed& one, Measure& measure) {
  const auto layers = one.on.layers();
  const auto norms = one.norms->layers();
  measure.by_layer("attention_to_first", one.on, attention_to(one.column_of_first(), 0, one.on.length()), layers);
  measure.by_layer("excess_attention", one.on, one.excess(), layers);
  measure.by_layer("sink_rate", one.on, one.sink_rate(), layers);
  measure.by_layer("first_token_norm", one.on, norms.select(2, 0), layers);
  measure.by_layer("other_token_norm", one.on, norms.select(2, 1), layers);
}

/// The onset and the spikes, found on the means over sequences, and again on those of each resample.
SinkProfile report_onset(const Observed& one, Measure& measure) {
  const auto layers = one.on.layers();
  std::vector<SampleColumn> columns;  // those of pack_sink_series
  add_columns("excess_attention", layers, columns);
  add_columns("first_token_norm", layers + 1, columns);
  add_columns("other_token_median_norm", layers + 1, columns);
  const auto packed = pack_sink_series(one.excess(), one.norms->layers());
  measure.of_means(kOnsetMetrics, one.on, columns, packed,
                   [layers, sink_excess = one.sink_excess](std::span<const double> means) {
                     return onset_metrics(SinkSeries(means, layers), sink_excess);
                   });
  const auto means = packed.mean(0);
  const SinkSeries series({means.const_data_ptr<double>(), static_cast<size_t>(means.numel())}, layers);
  const auto profile = series.profile(one.sink_excess);
  for (const auto& spike : profile.spikes) {
    measure.value("spike_layers", one.on, static_cast<double>(spike.layer), {{"layer", spike.layer}});
    measure.value("spike_growth", one.on, spike.growth, {{"layer", spike.layer}});
  }
  return profile;
}

/// What the threshold eps decides: the sink rate of the layer with most sinks, and over all layers as Gu et al. give
/// it.
void report_sink_rates(const Observed& one, Measure& measure) {
  std::vector<SampleColumn> columns;
  add_columns("sink_rate", one.on.layers(), columns);
  measure.of_means({"max_sink_rate", "mean_sink_rate"}, one.on, columns, one.sink_rate(),
                   [](std::span<const double> rate) {
                     return std::vector{*std::max_element(rate.begin(), rate.end()), mean(rate)};
                   });
}

void sink_by_layer(Claim& claim) {
  const auto share_length = claim.parameters.integer("sink_rate.length");
  const auto eps = claim.parameters.real("sink_rate.eps");
  bool is_primary = true;
  for (const auto& on : claim.conditions()) {
    auto run = claim.run(on);
    const Observed one{
        run.add(watch_columns({0})), run.add(watch_head_share(share_length)), run.add(watch_norms()), on, eps,
        claim.survey.sink_excess};
    claim.report([=](Measure& measure) {
      report_series(one, measure);
      const auto profile = report_onset(one, measure);
      if (on.suffix.empty() && on.tokens->label != "random" && on.tokens->label != "repeated") {
        measure.note(stages(profile));
      }
      if (is_primary) report_sink_rates(one, measure);
    });
    is_primary = false;
  }
}

REPLICATE_DESCRIPTION(sink_onset, sink_by_layer, "natural", "random", "repeated", "bos", "null_model",
                      "sink_rate.length", "sink_rate.eps");

}  // namespace
}  // namespace replicate
