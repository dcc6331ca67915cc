#pragma once

// The planted model with sinks at later positions, too, and a reason for them.

#include "tests/support/planted_variant.h"

namespace replicate {

/// The first layer writes more of what differs between texts, so position 1, which averages two values, reaches the
/// super neuron as well.
inline void write_more_signs(int64_t layer, BlockWeights& weights) {
  const auto inputs = at::arange(weights.output.size(1), at::kLong).remainder(planted_config().head_width);
  if (layer == 1) weights.output.mul_(at::where(inputs < 14, 1.8, 1.0).to(at::kFloat));  // 14 signs per head
}

inline std::shared_ptr<const Model> easily_reached(uint64_t seed = 1) {
  return planted_variant(write_more_signs, Circuit::whole, seed);
}

/// So many more neurons of the spike's layer write what the super neuron writes, each wherever one token stands.
inline ChangedWeights::Change mark_tokens(int64_t count, int64_t first_neuron, int64_t apart, uint64_t seed) {
  const auto rows = PlantedWeights(1, seed).embed(at::arange(94, at::kLong).view({1, 94}))[0];  // [94, D]
  const auto common = rows.mean(0);
  return [=](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    for (int64_t i = 0; i < count; ++i) {
      const auto own = rows[apart * i] - common;
      const auto reads = 12 * (own / own.norm() - 0.1 * common / common.norm());
      weights.gate[first_neuron + i].copy_(reads);
      weights.up[first_neuron + i].copy_(reads);
      weights.down.select(1, first_neuron + i).zero_();
      weights.down[kPlantedDimension][first_neuron + i] = 17;
    }
  };
}

inline std::shared_ptr<const Model> with_marked_tokens(uint64_t seed = 1) {
  return planted_variant(mark_tokens(3, 90, 20, seed), Circuit::whole, seed);
}

/// Both: position 1 deviates, and so many tokens are marked.
inline std::shared_ptr<const Model> reached_and_marked(int64_t tokens, uint64_t seed = 1) {
  return with_change(easily_reached(seed), mark_tokens(tokens, 90, 9, seed));
}

}  // namespace replicate
