#pragma once

// Models in which a masked position becomes a sink for another reason than that it sees only itself.

#include "tests/support/planted_scaling.h"

namespace replicate {

/// Every position attends to BOS in layer 1 and takes over its signs. In layer 2 a neuron writes the spike where BOS
/// stands, and another one where its signs are missing: where BOS cannot be seen.
inline std::shared_ptr<const Model> sink_where_bos_is_not_seen(uint64_t seed = 1) {
  constexpr int64_t kMissing = 90, kRows = 16, kSlowest = 7, kSigns = 14;
  const PlantedWeights planted(0, seed);
  const auto rows = planted.embed(at::arange(planted_config().vocabulary, at::kLong).view({1, -1}))[0];  // [V, D]
  const auto own = rows[kPlantedBos] - rows.mean(0);
  const auto value = planted.block(1).value;
  const auto content = at::cat({value.slice(0, 0, kSigns), value.slice(0, kRows, kRows + kSigns)});  // [28, D]
  const auto directions = PlantedWeights(1, seed).directions();
  const auto signs = at::matmul(content, own).sign();                // of BOS: [28]
  const auto taken_over = at::matmul(directions.aggregated, signs);  // [D]
  const auto reads = 12 * (0.2 * directions.common - taken_over / taken_over.norm());
  return with_change(planted_sink_at_bos(kPlantedSpike, 0, seed), [=](int64_t layer, BlockWeights& weights) {
    if (layer == 1) {
      for (int64_t g = 0; g < planted_config().kv_heads; ++g) {
        weights.key[g * kRows + kSlowest].copy_(2 * own / own.norm());
        weights.key[g * kRows + kSlowest + kRows / 2].zero_();
      }
      for (int64_t h = 0; h < planted_config().heads; ++h) {
        weights.query[h * kRows + kSlowest].copy_(0.65 * directions.common);
      }
    }
    if (layer != kPlantedSpike) return;
    weights.gate[kMissing].copy_(reads);
    weights.up[kMissing].copy_(reads);
    weights.down.select(1, kMissing).zero_();
    weights.down[kPlantedDimension][kMissing] = 17;
  });
}

}  // namespace replicate
