#pragma once

// The planted model, changed in what an induced sink goes through.

#include "tests/support/planted_lock.h"
#include "tests/support/planted_variant.h"

namespace replicate {

/// Any large vector is a sink, and the super neuron writes into a dense direction, too: `size` times as much as into m.
inline std::shared_ptr<const Model> written_densely_too(double size, uint64_t seed = 1) {
  const auto lock = planted_lock(Lock::any_large_vector, Circuit::whole, seed);
  return with_change(lock, [size](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike) return;
    const auto signs = at::where(at::arange(64).remainder(3).eq(0), -1.0, 1.0).to(at::kFloat);
    weights.down.select(1, kPlantedNeuron).add_(17.0 / 8 * size * signs);
  });
}

/// A neuron of layer 3 answers to the axis with 60 c, which drowns what is left of a vector that was scaled down.
inline std::shared_ptr<const Model> answered_axis(uint64_t seed = 1) {
  constexpr int64_t kAnswering = 100;
  return with_change(planted_model(1, seed), [](int64_t layer, BlockWeights& weights) {
    if (layer != kPlantedSpike + 1) return;
    const auto common = weights.query[7] / weights.query[7].norm();
    for (auto* row : {&weights.gate, &weights.up}) {
      (*row)[kAnswering].zero_();
      (*row)[kAnswering][kPlantedDimension] = row == &weights.gate ? 1 : 0.125;
    }
    weights.down.select(1, kAnswering).copy_(60.0 / 8 * common);
  });
}

/// Layer 3 has the super neuron, too, silent unless the spike of layer 2 is missing; it writes `share` of what that one
/// writes.
inline std::shared_ptr<const Model> weaker_backup(double share, Lock lock, uint64_t seed = 1) {
  return with_change(planted_lock(lock, Circuit::backup, seed), [share](int64_t layer, BlockWeights& weights) {
    if (layer == kPlantedSpike + 1) weights.down[kPlantedDimension][kPlantedNeuron] -= 17 * (1 - share);
  });
}

}  // namespace replicate
