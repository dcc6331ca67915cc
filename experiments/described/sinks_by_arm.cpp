// The sink and the dominance of every arm by layer (figures 2 and 14), and at every kept step of training.
// Cost: one forward pass per run, and one on fewer sequences for every kept state of it.

#include <algorithm>

#include "harness/study/measures/trained_sink.h"

namespace replicate {
namespace {

using Values = std::vector<double> SinkByLayer::*;
using Sinks = BySeed<TrainedSink>;
using SinksAlong = BySeed<std::vector<TrainedSink>>;  // in the order of kept steps

bool is_sigmoid(std::span<const TrainedRun> runs) {
  return std::ranges::any_of(
      runs, [](const TrainedRun& run) { return finished(run) && run.last().model->config.sigmoid_bias.has_value(); });
}

void report_sinks_by_layer(const std::string& arm, bool sigmoid, const Sinks& seeds, int64_t layers,
                           SeedMeasure& measure) {
  const auto series = [&](const std::string& name, Values values) {
    measure.curve(name, arm, "layer", layer_numbers(layers),
                  rows_per_seed(seeds, layers, [&](const TrainedSink& sink) { return sink.by_layer().*values; }));
  };
  series("excess_attention", &SinkByLayer::excess);
  series("attention_to_first", &SinkByLayer::attention);
  series("dominance_ratio", &SinkByLayer::dominance);
  if (!sigmoid) return;
  series("excess_attention_raw", &SinkByLayer::raw_excess);
  series("attention_to_first_raw", &SinkByLayer::raw_attention);
}

/// The layer with most of it, at every kept step.
void report_over_training(const std::string& arm, const std::vector<double>& tokens, const SinksAlong& seeds,
                          SeedMeasure& measure) {
  if (tokens.empty()) return;
  const auto series = [&](const std::string& name, auto largest) {
    measure.curve(name, arm, "tokens", tokens, rows_per_seed(seeds, tokens.size(), [&](const auto& kept) {
                    std::vector<double> values;
                    for (const TrainedSink& sink : kept) values.push_back(largest(sink.by_layer()));
                    return values;
                  }));
  };
  series("max_excess_attention", [](const SinkByLayer& sink) { return sink.largest_excess(); });
  series("max_dominance_ratio", [](const SinkByLayer& sink) { return std::ranges::max(sink.dominance); });
}

SinksAlong observe_along(TrainingClaim& claim, std::span<const TrainedRun> runs, const Tokens& tokens) {
  return look_at(runs, [&](const TrainedRun& run) {
    std::vector<TrainedSink> sinks;
    for (const auto& kept : run.models) sinks.emplace_back(claim, kept, tokens);
    return sinks;
  });
}

void describe_arm(TrainingClaim& claim, const std::string& arm, std::span<const TrainedRun> runs, const Tokens& tokens,
                  const Tokens& fewer) {
  const auto last = last_sinks(claim, runs, tokens);
  const auto along = observe_along(claim, runs, fewer);
  claim.report([=, &training = claim.trained()](SeedMeasure& measure) {
    report_sinks_by_layer(arm, is_sigmoid(runs), last, training.config.layers, measure);
    report_over_training(arm, tokens_at(training, kept_steps(runs)), along, measure);
    const auto mean_of = [&](const std::string& name, double (SinkByLayer::*f)() const) {
      measure.mean(name + "_" + arm, per_seed(last, [&](const TrainedSink& sink) { return (sink.by_layer().*f)(); }));
    };
    mean_of("largest_excess_attention", &SinkByLayer::largest_excess);
    mean_of("dominance_ratio_layer_mean", &SinkByLayer::mean_dominance);
  });
}

void sinks_by_arm(TrainingClaim& claim) {
  const auto arms = claim.all_arms(claim.trained().own_rate);
  const auto texts = [&](const std::string& key) {
    return claim.trained().validation(claim.parameters.integer(key), Region::measure);
  };
  const auto tokens = texts("validation.sequences"), fewer = texts("over_training.sequences");
  for (const auto& arm : arms.names()) describe_arm(claim, arm, arms.runs(arm), tokens, fewer);
}

REPLICATE_DESCRIPTION(sink_mitigation, sinks_by_arm, "validation.sequences", "over_training.sequences");

}  // namespace
}  // namespace replicate
