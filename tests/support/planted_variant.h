#pragma once

// Variants of the planted model for tests of single claims, and what a claim came to on them.

#include <algorithm>
#include <stdexcept>

#include "models/core/changed_weights.h"
#include "tests/support/experiment_fixture.h"
#include "tests/support/planted_model.h"

namespace replicate {

/// The planted model, each block changed by a function.
inline std::shared_ptr<const Model> planted_variant(ChangedWeights::Change change, Circuit circuit = Circuit::whole) {
  const auto planted = std::make_shared<PlantedWeights>(1, 1, circuit);
  return std::make_shared<const Model>(
      Model{"variant", planted_config(), std::make_shared<ChangedWeights>(planted, std::move(change))});
}

/// The spike's layer also writes `size` into one dimension at every position.
inline std::shared_ptr<const Model> planted_with_shared_dimension(double size) {
  return planted_variant([size](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    weights.down_bias = at::zeros({weights.down.size(0)});
    weights.down_bias[kPlantedDimension + 1] = size;
  });
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
