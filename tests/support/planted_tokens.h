#pragma once

// The planted model, changed in which tokens make a sink.

#include "tests/support/planted_variant.h"

namespace replicate {

inline constexpr int64_t kFirstUnspelled = 95;  // no text holds this token or a later one

/// The planted model, in which tokens that no text holds have nothing by which they could be told apart.
class BlankUnspelled : public PlantedWeights {
 public:
  explicit BlankUnspelled(uint64_t seed) : PlantedWeights(1, seed) {}

  Tensor embed(const Tensor& ids) const override {
    const auto rows = PlantedWeights::embed(ids);
    const auto every = PlantedWeights::embed(at::arange(kFirstUnspelled, at::kLong).view({1, -1}));
    return at::where(ids.ge(kFirstUnspelled).unsqueeze(-1), every.mean({0, 1}), rows);
  }
};

inline std::shared_ptr<const Model> with_blank_unspelled(uint64_t seed = 1) {
  return std::make_shared<const Model>(Model{"variant", planted_config(), std::make_shared<BlankUnspelled>(seed)});
}

}  // namespace replicate
