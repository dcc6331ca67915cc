#pragma once

// Variants of the planted model for tests of single claims, and what a claim came to on them.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/core/changed_weights.h"
#include "tests/support/experiment_fixture.h"
#include "tests/support/planted_model.h"

namespace replicate {

/// A model, each block changed by a function.
inline std::shared_ptr<const Model> with_change(const std::shared_ptr<const Model>& model,
                                                ChangedWeights::Change change) {
  return std::make_shared<const Model>(
      Model{"changed", model->config, std::make_shared<ChangedWeights>(model->weights, std::move(change))});
}

/// The planted model, each block changed by a function.
inline std::shared_ptr<const Model> planted_variant(ChangedWeights::Change change, Circuit circuit = Circuit::whole,
                                                    uint64_t seed = 1) {
  const auto planted = std::make_shared<PlantedWeights>(1, seed, circuit);
  return std::make_shared<const Model>(
      Model{"variant", planted_config(), std::make_shared<ChangedWeights>(planted, std::move(change))});
}

/// The spike's layer also writes `size` into one dimension at every position.
inline std::shared_ptr<const Model> planted_with_shared_dimension(double size, uint64_t seed = 1) {
  const auto change = [size](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    weights.down_bias = at::zeros({weights.down.size(0)});
    weights.down_bias[kPlantedDimension + 1] = size;
  };
  return planted_variant(change, Circuit::whole, seed);
}

/// The super neuron writes this share of its energy in a dense direction in place of the axis m.
inline std::shared_ptr<const Model> partly_dense(double share, uint64_t seed = 1) {
  const auto change = [share](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    auto column = weights.down.select(1, kPlantedNeuron);
    const auto width = planted_config().width;
    const auto signs = at::where(at::arange(width).remainder(3).eq(0), -1.0, 1.0).to(at::kFloat);
    column.mul_(std::sqrt(1 - share)).add_(17 * std::sqrt(share / static_cast<double>(width)) * signs);
  };
  return planted_variant(change, Circuit::whole, seed);
}

inline constexpr int64_t kPlantedBos = 199;  ///< what the tests' tokenizer calls BOS in the planted vocabulary

/// In the spike's layer, or another one, a neuron writes the spike wherever BOS stands. `strength`: that of the super
/// neuron's write; with 0 nothing but BOS has a spike.
inline std::shared_ptr<const Model> planted_sink_at_bos(int64_t spike = kPlantedSpike, double strength = 0,
                                                        uint64_t seed = 1) {
  constexpr int64_t kMarking = kPlantedNeuron + 1;
  const auto planted = std::make_shared<PlantedWeights>(strength, seed);
  const auto rows = planted->embed(at::arange(planted_config().vocabulary, at::kLong).view({1, -1}))[0];  // [V, D]
  const auto common = rows.mean(0), own = rows[kPlantedBos] - common;
  const auto change = [=](int64_t layer, BlockWeights& weights) {
    if (layer != spike) return;
    const auto reads = 12 * (own / own.norm() - 0.1 * common / common.norm());
    weights.gate[kMarking].copy_(reads);
    weights.up[kMarking].copy_(reads);
    weights.down.select(1, kMarking).zero_();
    weights.down[kPlantedDimension][kMarking] = 17;
  };
  return std::make_shared<const Model>(
      Model{"variant", planted_config(), std::make_shared<ChangedWeights>(planted, change)});
}

/// The first metric of that name; it must have been measured.
inline const Metric& metric_in(const Trial& trial, const std::string& name) {
  const auto& metrics = trial.measurement.metrics;
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [&](const Metric& metric) { return metric.name == name; });
  if (found == metrics.end()) throw std::runtime_error(name + " was not measured: " + trial.judgement.reason);
  return *found;
}

inline Outcome criterion_in(const Trial& trial, const std::string& name) {
  for (const auto& finding : trial.judgement.criteria) {
    if (finding.metric == name) return finding.outcome;
  }
  throw std::runtime_error(name + " is no criterion: " + trial.judgement.reason);
}

inline ControlOutcome control_in(const Trial& trial, const std::string& name) {
  for (const auto& finding : trial.judgement.controls) {
    if (finding.metric == name) return finding.outcome;
  }
  throw std::runtime_error(name + " is no control: " + trial.judgement.reason);
}

}  // namespace replicate
