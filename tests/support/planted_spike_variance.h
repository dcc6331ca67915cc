#pragma once

// The planted model, changed in how much the spike varies over texts.

#include "tests/support/planted_secondary_sinks.h"

namespace replicate {

/// Two neurons in place of the super neuron, whose difference silu(g + 1) - silu(g) is a switch: 1 at position 0, 0
/// elsewhere. They write the spike at one length for all texts.
inline void switch_the_spike(const PlantedDirections& directions, BlockWeights& weights) {
  const auto one = directions.common / 7.6;  // times x^: 1
  const auto column = 16 * weights.down.select(1, kPlantedNeuron);
  const auto reads = (3 * weights.gate[kPlantedNeuron]).clone();
  for (const auto on : {1, 0}) {
    const auto neuron = kPlantedNeuron + 1 - on;
    weights.gate[neuron].copy_(reads + on * one);
    weights.up[neuron].copy_(one);
    weights.down.select(1, neuron).copy_(on == 1 ? column : -column);
  }
}

/// 28 neurons write what differs between tokens, at every position alike: +-size in each direction of the content.
inline void write_content(const PlantedDirections& directions, double size, BlockWeights& weights) {
  for (int64_t j = 0; j < directions.content.size(1); ++j) {
    weights.gate[j].copy_(2 * directions.common / 7.6);  // silu(2) = 1.76
    weights.up[j].copy_(directions.content.select(1, j) / 0.23);
    weights.down.select(1, j).copy_(size / 1.76 * directions.content.select(1, j));
  }
}

/// The spike is the same for all texts, and the FFN writes `content` of what differs between them at every position.
inline std::shared_ptr<const Model> constant_spike(double content = 3, uint64_t seed = 1) {
  const auto change = [=](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    const auto directions = PlantedWeights(1, seed).directions();
    switch_the_spike(directions, weights);
    write_content(directions, content, weights);
  };
  return planted_variant(change, Circuit::whole, seed);
}

/// Tokens at any position have a spike: so many tokens.
inline std::shared_ptr<const Model> spikes_at_marked_tokens(int64_t tokens, uint64_t seed = 1) {
  return planted_variant(mark_tokens(tokens, 80, 2, seed), Circuit::whole, seed);
}

}  // namespace replicate
