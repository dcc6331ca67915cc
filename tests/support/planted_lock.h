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
  axis_or_cause,     ///< keys read the axis m, and r, which makes the super neuron fire: so the sink outlives the write
  undisturbed,       ///< keys read the axis m, which layer 3 clears where it finds anything that no position ever has
};

/// Directions in which no position of the planted model has anything but noise: [D, 5].
inline Tensor spare_directions(const PlantedDirections& of) {
  const auto used = at::cat({at::stack({of.common, of.rectified, of.axis}, 1), of.content, of.aggregated}, 1);
  return std::get<0>(at::linalg_svd(used)).slice(1, used.size(1));
}

/// A pair of neurons per spare direction, which write against the axis m what they find there, squared.
inline void clear_where_disturbed(const Tensor& spare, BlockWeights& weights) {
  for (int64_t i = 0; i < 2 * spare.size(1); ++i) {
    const auto reads = 18 * (i % 2 ? -1 : 1) * spare.select(1, i / 2);
    weights.gate[i].copy_(reads);
    weights.up[i].copy_(reads);
    weights.down.select(1, i).zero_();
    weights.down[kPlantedDimension][i] = -20;
  }
}

inline std::shared_ptr<const Model> planted_lock(Lock lock, Circuit circuit = Circuit::whole, uint64_t seed = 1) {
  const auto planted = std::make_shared<PlantedWeights>(1, seed, circuit);
  const auto& directions = planted->directions();
  const auto spare = spare_directions(directions);
  const auto change = [lock, spare, cause = directions.rectified](int64_t layer, BlockWeights& weights) {
    if (layer <= kPlantedSpike) return;
    if (lock == Lock::undisturbed) {
      if (layer == kPlantedSpike + 1) clear_where_disturbed(spare, weights);
      return;
    }
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
      if (lock == Lock::axis_or_cause) row.add_(0.65 * 8 / 1.9 * cause);
    }
  };
  return std::make_shared<const Model>(
      Model{"planted", planted_config(), std::make_shared<ChangedWeights>(planted, change)});
}

/// Keys also turn away from c, by `share` of what they do in any_large_vector.
inline std::shared_ptr<const Model> partly_any_vector(const std::shared_ptr<const Model>& model, double share) {
  const auto change = [share](int64_t layer, BlockWeights& weights) {
    if (layer <= kPlantedSpike) return;
    const auto config = planted_config();
    const auto slowest = config.head_width / 2 - 1;
    for (int64_t g = 0; g < config.kv_heads; ++g) {
      weights.key[g * config.head_width + slowest].sub_(share * weights.query[slowest]);
    }
  };
  return std::make_shared<const Model>(
      Model{"planted", planted_config(), std::make_shared<ChangedWeights>(model->weights, change)});
}

}  // namespace replicate
