#pragma once

// The planted model, changed in what a larger deviation of a later position's head outputs does to it.

#include "tests/support/planted_variant.h"

namespace replicate {

/// The super neuron of layer 2 reads size (r - threshold c) in place of 12 (r - 0.2 c).
inline void read_deviation(BlockWeights& weights, const PlantedDirections& directions, double size, double threshold) {
  const auto reads = size * (directions.rectified - threshold * directions.common);
  weights.gate[kPlantedNeuron].copy_(reads);
  weights.up[kPlantedNeuron].copy_(reads);
}

/// The super neuron fires at three quarters of the deviation that a value vector has, or at another share of it.
inline std::shared_ptr<const Model> sensitive_model(double share = 0.75, uint64_t seed = 1) {
  const auto change = [=, directions = PlantedWeights(1, seed).directions()](int64_t layer, BlockWeights& weights) {
    if (layer == kPlantedSpike) read_deviation(weights, directions, 12, 0.2 * share);
  };
  return planted_variant(change, Circuit::whole, seed);
}

/// What layer 1's FFN writes along r falls again where |a_j| is larger than 1.4, and is negative soon: only outputs
/// like a value vector's, of which every a_j is +-1, make a spike. `fall` is how steeply it falls.
inline std::shared_ptr<const Model> banded_model(double fall = 8, uint64_t seed = 1) {
  const auto change = [=, directions = PlantedWeights(1, seed).directions()](int64_t layer, BlockWeights& weights) {
    if (layer != 1) return;
    for (int64_t neuron = 0; neuron < 56; ++neuron) {
      const auto other = neuron + 56;
      weights.gate[other].copy_(weights.gate[neuron] - 0.7 * directions.common);
      weights.up[other].copy_(weights.up[neuron]);
      weights.down.select(1, other).copy_(-fall * weights.down.select(1, neuron));
    }
  };
  return planted_variant(change, Circuit::whole, seed);
}

/// The values of layer 1 carry nothing that all tokens have, so their mean is 0. W_O's bias writes it instead.
inline std::shared_ptr<const Model> centred_model(uint64_t seed = 1) {
  const auto change = [directions = PlantedWeights(1, seed).directions()](int64_t layer, BlockWeights& weights) {
    if (layer != 1) return;
    for (const int64_t row : {14, 30}) weights.value[row].zero_();
    weights.output_bias = 12 * directions.common;
  };
  return planted_variant(change, Circuit::whole, seed);
}

/// Layer 3 has no sink: it averages the signs once more, and adds the averages to those of layer 1. Its FFN writes onto
/// the axis that the keys read where one of the sums is beyond +-`beyond`: 2.2, which no sum of two averages of signs
/// is. `weight`: how much its own averages count beside those of layer 1.
inline std::shared_ptr<const Model> late_model(double beyond = 2.2, uint64_t seed = 1, double weight = 1) {
  const auto change = [=, directions = PlantedWeights(1, seed).directions()](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike + 1) return;
    const auto first = PlantedWeights(1, seed).block(1);
    weights.key.zero_();
    weights.value.copy_(3.6 * weight * first.value);  // the signs are a smaller part of the residual stream here
    weights.output.copy_(first.output);
    for (const int64_t row : {14, 30}) weights.value[row].zero_();
    for (int64_t neuron = 0; neuron < 56; ++neuron) {
      weights.gate[neuron].copy_(first.gate[neuron] - 0.5 * beyond * directions.common);
      weights.up[neuron].copy_(first.up[neuron]);
      weights.down.select(1, neuron).zero_();
      weights.down[kPlantedDimension][neuron] = 20;
    }
  };
  return planted_variant(change, Circuit::whole, seed);
}

}  // namespace replicate
