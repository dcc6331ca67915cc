// The attention sink on the first position starts at one layer, right after a layer that blows up the
// norm of that position's residual (paper, figures 3 and 18; Llama-2-7B and Llama-3-8B: the third layer).
// Cost: one forward pass per condition; every length up to T comes out of the same pass, because causal
// attention of the first t queries is the same whatever follows.

#include <cstdio>

#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

struct Observed {
  Condition condition;
  std::shared_ptr<Watch> column;      // attention to position 0, mean over heads: [B, L, 1, T]
  std::shared_ptr<Watch> head_share;  // alpha of Gu et al. per head: [B, L, H]
  std::shared_ptr<Watch> norms;       // [B, L + 1, 3]

  int64_t length() const { return condition.inputs.record.length; }
  Tensor column_of_first() const { return column->layers().select(2, 0); }  // [B, L, T]
  Tensor excess() const { return excess_attention(column_of_first(), 0, length()); }
  /// Share of heads that are sinks: [B, L].
  Tensor sink_rate(double eps) const { return (head_share->layers() > eps).to(at::kDouble).mean(2); }
};

/// Gu et al. 2024, equation 1: per head, the mean of column 0 over all of the first `length` queries.
std::shared_ptr<Watch> watch_head_share(int64_t length) {
  return watch_attention({.columns = {0}}, [length](const AttentionStatistics& statistics) {
    const auto column = statistics.column(0);  // [B, H, T]
    return column.slice(2, 0, std::min(length, column.size(2))).mean(2);
  });
}

/// The mean excess attention in the layers after the dominant spike; 0 without a spike.
double excess_after_spike(const SinkSeries& series, const SinkProfile& profile) {
  if (profile.dominant_spike == 0) return 0;
  const auto behind = series.excess.subspan(profile.dominant_spike);
  return behind.empty() ? 0 : mean(behind);
}

const std::vector<std::string> kOnsetMetrics = {
    "onset_layer",          "onset_after_spike", "excess_attention_after_spike",
    "max_excess_attention", "dominant_spike",    "onset_after_dominant_spike"};

std::vector<double> onset_metrics(const SinkSeries& series) {
  const auto profile = series.profile();
  const bool follows = onset_follows_spike(profile, series.first_norm, series.rest_norm);
  return {static_cast<double>(profile.onset_layer()),
          static_cast<double>(follows),
          excess_after_spike(series, profile),
          *std::max_element(series.excess.begin(), series.excess.end()),
          static_cast<double>(profile.dominant_spike),
          static_cast<double>(profile.dominant_spike > 0 && profile.onset_layer() == profile.dominant_spike + 1)};
}

/// Which spike the sink begins behind: with several, it need not be the large one.
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

/// Names of the columns of pack_sink_series.
std::vector<SampleColumn> columns(int64_t layers) {
  std::vector<SampleColumn> all;
  for (int64_t l = 1; l <= layers; ++l) all.push_back({"excess_attention", {{"layer", l}}});
  for (const auto* norm : {"first_token_norm", "other_token_median_norm"}) {
    for (int64_t l = 1; l <= layers + 1; ++l) all.push_back({norm, {{"layer", l}}});
  }
  return all;
}

class SinkOnset : public Experiment {
 public:
  Plan plan(const Context& context) override {
    Plan plan;
    for (const auto& condition : context.conditions()) {
      Observed one{condition, watch_columns({0}), watch_head_share(context.parameters.integer("sink_rate.length")),
                   watch_norms()};
      plan.push_back({condition.model, condition.inputs.tokens, {}, {one.column, one.head_share, one.norms}});
      observed_.push_back(std::move(one));
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    for (const auto& one : observed_) {
      series(one, context, measure);
      onset(one, context, measure);
    }
    sink_rates(context, measure);
    by_length(context, measure);
    return measure.take();
  }

 private:
  static void series(const Observed& one, const Context& context, Measure& measure) {
    const auto layers = context.config().layers;
    const auto column = one.column_of_first();
    const auto rate = one.sink_rate(context.parameters.real("sink_rate.eps"));
    const auto norms = one.norms->layers();
    measure.by_layer("attention_to_first", one.condition, attention_to(column, 0, one.length()), layers);
    measure.by_layer("excess_attention", one.condition, one.excess(), layers);
    measure.by_layer("sink_rate", one.condition, rate, layers);
    measure.by_layer("first_token_norm", one.condition, norms.select(2, 0), layers);
    measure.by_layer("other_token_norm", one.condition, norms.select(2, 1), layers);
  }

  static void onset(const Observed& one, const Context& context, Measure& measure) {
    const auto layers = context.config().layers;
    const auto packed = pack_sink_series(one.excess(), one.norms->layers());
    measure.of_means(kOnsetMetrics, one.condition, columns(layers), packed,
                     [layers](std::span<const double> means) { return onset_metrics(SinkSeries(means, layers)); });
    const auto means = packed.mean(0);
    const SinkSeries series({means.const_data_ptr<double>(), static_cast<size_t>(means.numel())}, layers);
    if (one.condition.suffix.empty() && one.condition.inputs.label != "random" &&
        one.condition.inputs.label != "repeated") {
      measure.note(stages(series.profile()));
    }
    for (const auto& spike : series.profile().spikes) {
      const std::map<std::string, int64_t> where{{"layer", spike.layer}};
      measure.value("spike_layers", one.condition, static_cast<double>(spike.layer), where);
      measure.value("spike_growth", one.condition, spike.growth, where);
    }
  }

  /// What the threshold eps decides: the sink rate of the layer with most sinks, and over all layers as Gu et al.
  /// give it.
  void sink_rates(const Context& context, Measure& measure) const {
    const auto& one = observed_.front();
    const auto layers = context.config().layers;
    std::vector<SampleColumn> columns;
    for (int64_t l = 1; l <= layers; ++l) columns.push_back({"sink_rate", {{"layer", l}}});
    measure.of_means({"max_sink_rate", "mean_sink_rate"}, one.condition, columns,
                     one.sink_rate(context.parameters.real("sink_rate.eps")), [](std::span<const double> rate) {
                       return std::vector{*std::max_element(rate.begin(), rate.end()), mean(rate)};
                     });
  }

  /// How the sink depends on the length of the text: the same passages, cut shorter.
  void by_length(const Context& context, Measure& measure) const {
    const auto& one = observed_.front();
    const auto column = one.column_of_first();
    std::vector<double> lengths;
    std::vector<Tensor> largest;
    for (const auto length : context.parameters.integers("lengths")) {
      if (length > one.length()) continue;
      const auto excess = excess_attention(column, 0, length);
      measure.by_layer("excess_attention_t" + std::to_string(length), one.condition, excess, context.config().layers);
      lengths.push_back(static_cast<double>(length));
      largest.push_back(std::get<0>(excess.max(1)));
    }
    if (lengths.empty()) return;
    measure.series("max_excess_attention_by_length", one.condition, "length", lengths, at::stack(largest, 1));
  }

  std::vector<Observed> observed_;
};

REPLICATE_EXPERIMENT(sink_onset, SinkOnset, "natural", "random", "repeated", "bos", "null_model", "lengths",
                     "sink_rate.length", "sink_rate.eps");

}  // namespace
}  // namespace replicate
