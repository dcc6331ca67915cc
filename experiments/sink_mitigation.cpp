// Models trained with head-wise RMSNorm have next to no attention sink and no dominant dimensions in the layers where
// the baseline has them (paper, figures 2 and 14; baseline sinks from its layer 5 on, mean dominance ratio 82.67
// against 33.74). The baseline's sink layers are found on other sequences than those that are measured.
// Where the rows of attention do not sum to one (sigmoid), column 0 is judged relative to its row's sum, and the raw
// column stands beside it. Cost: one forward pass per run, and one on fewer sequences for every kept state of it.

#include "harness/study/claim.h"
#include "harness/study/measures/disparity.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

constexpr const char* kPrimary = "head_rms_norm";
constexpr double kLeastTotal = 1e-3;  // rows that attend to less than this in all say nothing of where they look

/// Attention to position 0, mean over heads and queries q >= 1, per sequence: [b, 4] = the column as it is; divided by
/// its row's sum, over the rows that are kept; what uniform attention would give in these rows; the share of rows kept.
Tensor sink_terms(const AttentionStatistics& statistics) {
  const auto column = statistics.column(0).slice(2, 1).to(at::kDouble);  // [b, H, T - 1]
  const auto total = statistics.needs.total ? statistics.total.slice(2, 1).to(at::kDouble) : at::ones_like(column);
  const auto kept = (total >= kLeastTotal).to(at::kDouble);
  const auto uniform = at::arange(2, column.size(2) + 2, column.options()).reciprocal();  // [T - 1]
  const auto mean = [](const Tensor& x) { return x.mean(at::IntArrayRef{1, 2}); };
  return at::stack({mean(column), mean(kept * column / total.clamp_min(kLeastTotal)), mean(kept * uniform), mean(kept)},
                   1);
}

struct ByLayer {
  std::vector<double> attention, excess, raw_attention, raw_excess, kept, dominance;  // L each
};

/// What is observed of one model.
struct Seen {
  std::shared_ptr<Watch> sink;       // [B, L, 4]
  std::shared_ptr<Watch> dominance;  // of position 0: [B, L]
  int64_t length = 0;

  ByLayer by_layer() const {
    const auto terms = sink->layers().mean(0);  // [L, 4]
    const auto raw = terms.select(1, 0), kept = terms.select(1, 3);
    const auto attention = terms.select(1, 1) / kept, uniform = terms.select(1, 2) / kept;
    const double everywhere = uniform_attention(0, length);
    return {to_vector<double>(attention), to_vector<double>((attention - uniform) / (1 - uniform)),
            to_vector<double>(raw),       to_vector<double>((raw - everywhere) / (1 - everywhere)),
            to_vector<double>(kept),      to_vector<double>(dominance->layers().mean(0))};
  }
};

double mean_over(const std::vector<double>& by_layer, const std::vector<int64_t>& layers) {
  double sum = 0;
  for (const auto layer : layers) sum += by_layer[layer - 1];
  return sum / static_cast<double>(layers.size());
}

/// The mean over the finished runs, by layer; empty without one.
std::vector<double> mean_excess(const BySeed<Seen>& seeds) {
  std::vector<double> sum;
  double count = 0;
  for (const auto& seen : seeds) {
    if (!seen) continue;
    const auto excess = seen->by_layer().excess;
    sum.resize(excess.size());
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += excess[i];
    ++count;
  }
  for (auto& value : sum) value /= count;
  return sum;
}

/// What is observed of all arms.
struct Arms {
  ComparedArms runs;
  BySeed<Seen> surveyed = {};                                   // the baseline, on the survey's sequences
  std::map<std::string, BySeed<Seen>> last = {};                // at the end of training
  std::map<std::string, BySeed<std::vector<Seen>>> along = {};  // at every kept step

  bool is_sigmoid(const std::string& arm) const {
    return std::ranges::any_of(runs.runs(arm), [](const TrainedRun& run) {
      return !run.models.empty() && run.last().model->config.sigmoid_bias;
    });
  }
};

using Layers = std::vector<int64_t>;
using Values = std::vector<double> ByLayer::*;

/// At the end of training, mean over the layers, by seed.
std::vector<double> over_layers(const Arms& arms, const std::string& arm, Values values, const Layers& layers) {
  return per_seed(arms.last.at(arm), [&](const Seen& seen) { return mean_over(seen.by_layer().*values, layers); });
}

void report_by_layer(const Arms& arms, const std::string& arm, int64_t layers, SeedMeasure& measure) {
  const auto series = [&](const std::string& name, Values values) {
    measure.curve(name, arm, "layer", layer_numbers(layers),
                  rows_per_seed(arms.last.at(arm), layers, [&](const Seen& seen) { return seen.by_layer().*values; }));
  };
  series("excess_attention", &ByLayer::excess);
  series("attention_to_first", &ByLayer::attention);
  series("dominance_ratio", &ByLayer::dominance);
  if (!arms.is_sigmoid(arm)) return;
  series("excess_attention_raw", &ByLayer::raw_excess);
  series("attention_to_first_raw", &ByLayer::raw_attention);
}

/// The layer with most of it, at every kept step.
void report_over_training(const std::string& arm, const std::vector<double>& tokens,
                          const BySeed<std::vector<Seen>>& seeds, SeedMeasure& measure) {
  if (tokens.empty()) return;
  const auto series = [&](const std::string& name, Values values) {
    measure.curve(name, arm, "tokens", tokens, rows_per_seed(seeds, tokens.size(), [&](const std::vector<Seen>& kept) {
                    std::vector<double> largest;
                    for (const auto& seen : kept) largest.push_back(std::ranges::max(seen.by_layer().*values));
                    return largest;
                  }));
  };
  series("max_excess_attention", &ByLayer::excess);
  series("max_dominance_ratio", &ByLayer::dominance);
}

void report_arm(const TrainingResults& training, const Arms& arms, const std::string& arm, SeedMeasure& measure) {
  report_by_layer(arms, arm, training.config.layers, measure);
  report_over_training(arm, tokens_at(training, kept_steps(arms.runs.runs(arm))), arms.along.at(arm), measure);
  measure.mean("dominance_ratio_layer_mean_" + arm,
               per_seed(arms.last.at(arm), [](const Seen& seen) { return mean(seen.by_layer().dominance); }));
}

Layers sink_layers(const std::vector<double>& excess) {
  Layers layers;
  for (size_t i = 0; i < excess.size(); ++i) {
    if (excess[i] >= kSinkExcess) layers.push_back(static_cast<int64_t>(i) + 1);
  }
  return layers;
}

/// What stands in the way of the baseline's sink layers.
std::string why_no_sink(const ComparedArms& arms, const std::vector<double>& excess) {
  if (!arms.has(kBaseline)) return arms.missing({kBaseline});
  if (excess.empty()) return "no run of the baseline reached its end";
  return "the baseline has no sink at this scale: largest excess attention " + brief(std::ranges::max(excess));
}

/// By how much an arm has less of a sink than the baseline, as a share of the baseline's.
void report_reductions(const Arms& arms, const std::string& arm, const Layers& sinks, SeedMeasure& measure) {
  const auto suffix = arm == kPrimary ? "" : "_" + arm;
  const auto reduction = [&](Values ours, Values theirs) {
    return paired(over_layers(arms, arm, ours, sinks), over_layers(arms, kBaseline, theirs, sinks),
                  [](double a, double b) { return 1 - a / b; });
  };
  measure.mean("excess_attention_reduction" + suffix, reduction(&ByLayer::excess, &ByLayer::excess));
  measure.mean("dominance_reduction" + suffix, reduction(&ByLayer::dominance, &ByLayer::dominance));
  if (!arms.is_sigmoid(arm)) return;
  measure.mean("excess_attention_reduction" + suffix + "_raw", reduction(&ByLayer::raw_excess, &ByLayer::excess));
  measure.mean("rows_kept" + suffix, over_layers(arms, arm, &ByLayer::kept, sinks));
}

void report_over_sinks(const Arms& arms, const Layers& sinks, SeedMeasure& measure) {
  std::string text;
  for (const auto layer : sinks) text += (text.empty() ? "" : ", ") + std::to_string(layer);
  measure.note("Sink layers of the baseline: " + text + ".");
  for (const auto& arm : arms.runs.names()) {
    if (arm != kBaseline) report_reductions(arms, arm, sinks, measure);
  }
  for (const auto& arm : arms.runs.names()) {
    measure.mean("excess_attention_" + arm, over_layers(arms, arm, &ByLayer::excess, sinks));
    measure.mean("dominance_ratio_" + arm, over_layers(arms, arm, &ByLayer::dominance, sinks));
  }
  measure.value("onset_layer", static_cast<double>(sinks.front()));
  measure.value("sink_layers", static_cast<double>(sinks.size()));
}

/// Which layers have a sink is known only after the passes, so that a missing one is found here.
void report_sinks(const Arms& arms, SeedMeasure& measure) {
  const auto excess = mean_excess(arms.surveyed);
  const auto sinks = sink_layers(excess);
  if (sinks.empty()) {
    measure.unmet(why_no_sink(arms.runs, excess));
    return;
  }
  report_over_sinks(arms, sinks, measure);
  if (const auto missing = arms.runs.missing({kBaseline, kPrimary}); !missing.empty()) measure.unmet(missing);
}

/// Dominance at position 0 of the residual stream: [b, T, D] -> [b].
Tensor first_dominance(const Tensor& hidden) { return dominance_ratio(hidden.slice(1, 0, 1)).select(1, 0); }

Seen observe(TrainingClaim& claim, const TrainedModel& kept, const Tokens& tokens) {
  AttentionNeeds needs;
  needs.columns = {0};
  needs.total = kept.model->config.sigmoid_bias.has_value();
  auto run = claim.run(kept, tokens);
  return {run.add(watch_attention(needs, sink_terms)), run.add(watch(Site::block_input, first_dominance)),
          tokens->length()};
}

BySeed<Seen> observe_last(TrainingClaim& claim, std::span<const TrainedRun> runs, const Tokens& tokens) {
  return look_at(runs, [&](const TrainedRun& run) { return observe(claim, run.last(), tokens); });
}

BySeed<std::vector<Seen>> observe_along(TrainingClaim& claim, std::span<const TrainedRun> runs, const Tokens& tokens) {
  return look_at(runs, [&](const TrainedRun& run) {
    std::vector<Seen> seen;
    for (const auto& kept : run.models) seen.push_back(observe(claim, kept, tokens));
    return seen;
  });
}

void sink_mitigation(TrainingClaim& claim) {
  const auto sequences = [&](const std::string& name, Region region) {
    return claim.trained().validation(claim.parameters.integer(name + ".sequences"), region);
  };
  const auto survey = sequences("survey", Region::survey), measured = sequences("validation", Region::measure);
  const auto fewer = sequences("over_training", Region::measure);
  Arms arms{ComparedArms(claim.trained().own_rate, claim.arms)};
  if (arms.runs.has(kBaseline)) arms.surveyed = observe_last(claim, arms.runs.runs(kBaseline), survey);
  for (const auto& arm : arms.runs.names()) {
    arms.last[arm] = observe_last(claim, arms.runs.runs(arm), measured);
    arms.along[arm] = observe_along(claim, arms.runs.runs(arm), fewer);
  }
  claim.report([=, &claim](SeedMeasure& measure) {
    for (const auto& arm : arms.runs.names()) report_arm(claim.trained(), arms, arm, measure);
    arms.runs.note_stopped(measure);
    report_sinks(arms, measure);
  });
}

REPLICATE_CLAIM(sink_mitigation, "survey.sequences", "validation.sequences", "over_training.sequences");

}  // namespace
}  // namespace replicate
