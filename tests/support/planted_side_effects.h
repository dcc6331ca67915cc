#pragma once

// The planted model, changed in why later positions feel the mask at one of them.

#include "tests/support/planted_variant.h"

namespace replicate {

/// Keys lock half as fast, so that a second sink takes attention from all others, and W_O writes four times as much of
/// what that changes.
inline void let_the_sink_matter(int64_t layer, BlockWeights& weights) {
  if (layer <= kPlantedSpike) return;
  const auto k = planted_config().head_width, slowest = k / 2 - 1;
  for (int64_t g = 0; g < planted_config().kv_heads; ++g) weights.key[g * k + slowest].mul_(0.5);
  weights.output.mul_(4);
}

inline std::shared_ptr<const Model> changed_through_the_sink(uint64_t seed = 1) {
  return planted_variant(let_the_sink_matter, Circuit::whole, seed);
}

/// What feels the mask at k before there is a sink.
enum class Feels { keys, neurons };

/// In the spike's layer every position reads how much the positions up to it look like a first one (r in
/// planted_model.h) and writes their mean along a direction d. A position that sees only itself looks like one. Later
/// keys read d, or neurons of the spike's layer do, whose threshold the first positions after k pass with the mask
/// alone. All of it `size` times as strong.
inline ChangedWeights::Change feel_the_mask(Feels feels, double size, uint64_t seed) {
  const PlantedWeights planted(1, seed);
  const auto k = planted_config().head_width, slowest = k / 2 - 1;
  const auto query = planted.block(kPlantedSpike + 1).query[slowest];
  const auto c = query / query.norm();
  const auto reads = planted.block(kPlantedSpike).gate[kPlantedNeuron];
  auto r = reads - c * c.dot(reads);
  r = r / r.norm();
  auto d = planted.block(kPlantedSpike + 1).key[1].clone();
  d[kPlantedDimension] = 0;
  d = d - c * c.dot(d) - r * r.dot(d);
  d = d / d.norm();
  return [=](int64_t layer, BlockWeights& weights) {
    if (layer > kPlantedSpike && feels == Feels::keys) {
      for (int64_t g = 0; g < planted_config().kv_heads; ++g) weights.key[g * k + slowest - 1].copy_(-2 * d);
      for (int64_t h = 0; h < planted_config().heads; ++h) weights.query[h * k + slowest - 1].copy_(0.65 * c);
    }
    if (layer != kPlantedSpike) return;
    weights.value[0].copy_(r);
    weights.output.select(1, 0).copy_(6 * size * d);  // of the first head
    if (feels == Feels::keys) return;
    for (int64_t neuron = kPlantedNeuron + 1; neuron < planted_config().hidden; ++neuron) {
      weights.gate[neuron].copy_(24 * (d - 0.2 * c));
      weights.up[neuron].copy_(weights.gate[neuron]);
      weights.down.select(1, neuron).zero_();
    }
  };
}

inline std::shared_ptr<const Model> changed_before_the_sink(Feels feels, uint64_t seed = 1) {
  return planted_variant(feel_the_mask(feels, 1, seed), Circuit::whole, seed);
}

/// Later positions change through the sink, and their keys `size` times as much without it.
inline std::shared_ptr<const Model> changed_in_both_ways(double size, uint64_t seed = 1) {
  return with_change(changed_through_the_sink(seed), feel_the_mask(Feels::keys, size, seed));
}

}  // namespace replicate
