#pragma once

// The planted model, changed in how the key of position 0 lies to the queries.

#include <cmath>
#include <functional>

#include "tests/support/planted_variant.h"

namespace replicate {

/// The planted model with its first sink layer changed; later layers stay as they were.
inline std::shared_ptr<const Model> with_sink_layer(const std::function<void(BlockWeights&)>& change,
                                                    uint64_t seed = 1) {
  const auto at_sink = [change](int64_t layer, BlockWeights& weights) {
    if (layer == kPlantedSpike + 1) change(weights);
  };
  return planted_variant(at_sink, Circuit::whole, seed);
}

/// Rows of a head of 16: the rotary pair that turns slowest is (7, 15), another one is (3, 11).
inline constexpr int64_t kLocked = 7, kOther = 3, kOtherPartner = 11, kHeadRows = 16;

/// The keys have nothing on the other pair, on which the queries may then have what they like.
inline void empty_other_pair(BlockWeights& weights) {
  for (int64_t g = 0; g < 2; ++g) {
    weights.key[g * kHeadRows + kOther].zero_();
    weights.key[g * kHeadRows + kOtherPartner].zero_();
  }
}

/// The queries have `times` as much on another pair, on which there is no key.
inline std::shared_ptr<const Model> queries_along_another_pair(double times, uint64_t seed = 1) {
  const auto change = [times](BlockWeights& weights) {
    empty_other_pair(weights);
    for (int64_t h = 0; h < 4; ++h) {
      weights.query[h * kHeadRows + kOther].copy_(times * weights.query[h * kHeadRows + kLocked]);
    }
  };
  return with_sink_layer(change, seed);
}

inline std::shared_ptr<const Model> half_of_the_heads_negative(uint64_t seed = 1) {
  return with_sink_layer([](BlockWeights& weights) { weights.key[kLocked].neg_(); }, seed);
}

/// Keys carry `times` as much of the token in rows that no score sees.
inline std::shared_ptr<const Model> keys_of_the_token(double times, uint64_t seed = 1) {
  const auto change = [times](BlockWeights& weights) {
    for (int64_t row = 0; row < weights.query.size(0); ++row) {
      if (row % kHeadRows != kLocked) weights.query[row].zero_();
    }
    for (int64_t row = 0; row < weights.key.size(0); ++row) {
      if (row % kHeadRows == kLocked) continue;
      weights.key[row].mul_(times);
      weights.key[row][kPlantedDimension] = 0;  // the same for every token
    }
  };
  return with_sink_layer(change, seed);
}

/// In layer 1 the score is the sine of the distance less 30 on the pair (3, 11), and tiny: position 0 is further from
/// most queries than other positions are, so more of its scores are positive, and attention stays even.
inline std::shared_ptr<const Model> with_distant_scores_in_layer_one(uint64_t seed = 1) {
  const auto common = PlantedWeights(1, seed).block(kPlantedSpike + 1).query[kLocked] / 0.65;  // c, [D]
  const auto change = [common](int64_t layer, BlockWeights& weights) {
    if (layer != 1) return;
    const double turned = 30 * std::pow(10000, -kOther / 8.0);
    weights.query.zero_();
    weights.key.zero_();
    for (int64_t h = 0; h < 4; ++h) {
      weights.query[h * kHeadRows + kOther].copy_(-0.1 * std::sin(turned) * common);
      weights.query[h * kHeadRows + kOtherPartner].copy_(-0.1 * std::cos(turned) * common);
    }
    for (int64_t g = 0; g < 2; ++g) weights.key[g * kHeadRows + kOther].copy_(0.1 * common);
  };
  return planted_variant(change, Circuit::whole, seed);
}

}  // namespace replicate
