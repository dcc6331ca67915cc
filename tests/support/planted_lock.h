#pragma once

// The planted model with another way of reading the spike, from layer 3 on.

#include "tests/support/changed_weights.h"
#include "tests/support/planted_model.h"

namespace replicate {

/// Which vectors make a sink of a position.
enum class Lock {
  any_large_vector,  ///< keys turn away from c, which all positions have unless another vector outweighs it
  any_axis,          ///< keys read every axis of the residual stream alike, and a dense direction at random
  one_axis,          ///< keys read the axis m and nothing else
};

inline std::shared_ptr<const Model> planted_lock(Lock lock, Circuit circuit = Circuit::whole) {
  const auto change = [lock](int64_t layer, BlockWeights& weights) {
    if (layer <= kPlantedSpike) return;
    const auto config = planted_config();
    const auto slowest = config.head_width / 2 - 1;
    const auto common = weights.query[slowest].clone();  // 0.65 c
    const auto every = at::ones({config.width}) - common * (common.sum() / common.square().sum());
    if (lock == Lock::one_axis) {
      weights.key.index_fill_(1, at::arange(config.width).masked_select(at::arange(config.width) != kPlantedDimension),
                              0);
    }
    for (int64_t g = 0; g < config.kv_heads; ++g) {
      auto row = weights.key[g * config.head_width + slowest];
      if (lock == Lock::any_large_vector) {
        row.copy_(-common);
        weights.key[g * config.head_width][kPlantedDimension] = 1;  // read, by a row to which no query answers
      }
      if (lock == Lock::any_axis) row.copy_(0.65 * every);
    }
  };
  const auto planted = std::make_shared<PlantedWeights>(1, 1, circuit);
  return std::make_shared<const Model>(
      Model{"planted", planted_config(), std::make_shared<ChangedWeights>(planted, change)});
}

}  // namespace replicate
