#pragma once

// The planted model, changed in which neurons write the spike.

#include "tests/support/planted_variant.h"

namespace replicate {

/// All other columns of W_down in the spike's layer are as heavy-tailed as the super neuron's.
inline std::shared_ptr<const Model> sparse_columns(uint64_t seed = 1) {
  const auto change = [](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    for (int64_t n = 0; n < weights.down.size(1); ++n) {
      if (n == kPlantedNeuron) continue;
      auto column = weights.down.select(1, n);
      const auto norm = at::linalg_vector_norm(column);
      column.zero_();
      column[n % 10].copy_(norm);
    }
  };
  return planted_variant(change, Circuit::whole, seed);
}

/// A neuron that fires like the super neuron writes `size` into all dimensions alike: with 3.1 more than it, a norm of
/// 25 beside 17.
inline std::shared_ptr<const Model> dense_writer_beside(double size, uint64_t seed = 1) {
  const auto change = [size](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    weights.gate[5].copy_(weights.gate[kPlantedNeuron]);
    weights.up[5].copy_(weights.up[kPlantedNeuron]);
    auto column = weights.down.select(1, 5);
    for (int64_t d = 0; d < column.size(0); ++d) column[d] = size * (d % 2 ? 1 : -1);
  };
  return planted_variant(change, Circuit::whole, seed);
}

/// A layer apart from the spike has a super neuron of its own, which writes along the spike's dimension.
inline std::shared_ptr<const Model> super_neuron_apart(uint64_t seed = 1) {
  const auto change = [](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike + 2) return;
    weights.gate[5].fill_(0);
    weights.gate[5][kPlantedDimension] = 8;
    weights.up[5].copy_(weights.gate[5]);
    weights.down.select(1, 5).fill_(0);
    weights.down[kPlantedDimension + 2][5] = 0.05;
  };
  return planted_variant(change, Circuit::whole, seed);
}

}  // namespace replicate
