#pragma once

#include "base/statistics.h"
#include "models/core/changed_weights.h"
#include "models/core/executor.h"

namespace replicate {

/// Fresh weights, changed.
inline std::shared_ptr<const Model> changed_model(const ModelConfig& config, ChangedWeights::Change change,
                                                  uint64_t seed = 1) {
  const auto fresh = random_weights(config, derive_seed(seed, "the model itself"), at::kCPU);
  return std::make_shared<const Model>(
      Model{"changed", config, std::make_shared<ChangedWeights>(fresh, std::move(change))});
}

}  // namespace replicate
