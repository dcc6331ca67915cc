#include "harness/study/surveyor.h"

#include <algorithm>

#include "models/core/tensor_values.h"

namespace replicate {
namespace {

/// The `count` largest of x [X], largest first.
std::vector<int64_t> largest(const Tensor& x, int64_t count) {
  return to_vector<int64_t>(std::get<1>(x.topk(std::min(count, x.numel()))));
}

/// For each of `chosen` another index, none twice, whose value is closest in ratio.
std::vector<int64_t> matched(const std::vector<int64_t>& chosen, const Tensor& values) {
  const auto size = values.clamp_min(1e-30).log();
  auto free = at::ones_like(size, at::kBool);
  for (const auto index : chosen) free[index] = false;
  std::vector<int64_t> match;
  for (const auto index : chosen) {
    const auto distance = (size - size[index]).abs().masked_fill(free.logical_not(), INFINITY);
    match.push_back(distance.argmin().item<int64_t>());
    free[match.back()] = false;
  }
  return match;
}

}  // namespace

Surveyor::Surveyor(const SurveyRules& rules)
    : rules_(rules),
      columns_(watch_columns({0})),
      norms_(watch_norms()),
      magnitudes_(watch_residual([](const Tensor& hidden) {
        const auto size = hidden.abs();
        return at::stack({size.select(1, 0), size.slice(1, 1).mean(1)}, 1);
      })),
      neurons_(std::make_shared<NeuronProbe>(std::vector<int64_t>{}, rules.super_neurons)),
      probes_{columns_, norms_, magnitudes_, neurons_} {}

Survey Surveyor::reduce(int64_t layers, int64_t length) const {
  const auto excess = excess_attention(columns_->layers().select(2, 0), 0, length);
  const auto means = pack_sink_series(excess, norms_->layers()).mean(0);
  const std::span<const double> packed(means.const_data_ptr<double>(), means.numel());
  Survey survey;
  const SinkSeries series(packed, layers);
  survey.sink_excess = rules_.stages.sink_excess;
  survey.sinks = series.profile(survey.sink_excess);
  for (const auto& spike : survey.sinks.spikes) survey.writers.push_back(writers(spike.layer));
  survey.excess.assign(series.excess.begin(), series.excess.end());
  survey.rest_norm.assign(series.rest_norm.begin(), series.rest_norm.end());
  for (size_t i = 0; i < series.first_norm.size(); ++i) {
    survey.ratio.push_back(series.first_norm[i] / series.rest_norm[i]);
  }
  survey.stages = find_stages(std::span(survey.ratio).first(layers), survey.excess, rules_.stages);
  for (const auto& stage : survey.stages) {
    if (stage.spike > 0) survey.stage_writers.push_back(stage_writers(stage.spike));
  }
  if (const auto apart = largest_growth_apart(survey.ratio, survey.stages); apart > 0) {
    survey.writers_apart = stage_writers(apart);
  }
  return survey;
}

StageWriters Surveyor::stage_writers(int64_t spike) const {
  const auto super = neurons_->super_neurons(spike);
  const auto contribution = neurons_->first(spike).mean(0) * neurons_->weights(spike).down_norm;  // [F]
  const auto found = super.sum().item<int64_t>();
  StageWriters writers{.spike = spike, .by_rule = found > 0};
  writers.neurons = found > 0 ? largest(contribution.masked_fill(super.logical_not(), -1), found)
                              : largest(contribution, rules_.super_neurons.else_largest);
  writers.dimensions = largest(magnitudes_->layer(spike + 1).mean(0)[0], StageWriters::kWritten);
  return writers;
}

SpikeWriters Surveyor::writers(int64_t layer) const {
  const auto& weights = neurons_->weights(layer);
  const auto first = neurons_->first(layer).mean(0), rest = neurons_->rest_max(layer).mean(0);
  const auto meets =
      (first > kSuperSelectivity * rest)
          .logical_and(weights.gate_norm_z > kSuperNormZ)
          .logical_and(weights.up_norm_z > kSuperNormZ)
          .logical_and(weights.down_kurtosis > kSuperKurtosis * at::quantile(weights.down_kurtosis, 0.5));
  const auto found = meets.sum().item<int64_t>();
  const auto contribution = first * weights.down_norm;
  SpikeWriters writers;
  writers.layer = layer;
  writers.by_criteria = found > 0;
  writers.neurons = found > 0 ? largest(contribution.masked_fill(meets.logical_not(), -1), found)
                              : largest(contribution, kTopWriters);
  writers.matched_neurons = matched(writers.neurons, neurons_->rest_mean(layer).mean(0) * weights.down_norm);
  const auto after = magnitudes_->layer(layer + 1).mean(0);  // [2, D]
  writers.dimensions = largest(after[0], kTopWriters);
  writers.matched_dimensions = matched(writers.dimensions, after[1]);
  return writers;
}

}  // namespace replicate
