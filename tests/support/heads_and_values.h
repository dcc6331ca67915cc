#pragma once

// Fresh weights, changed in what heads look at, how much their values vary, and what W_O reads of them.

#include <cmath>

#include "tests/support/changed_weights.h"
#include "tests/support/planted_model.h"

namespace replicate {

inline ModelConfig eight_heads() {
  auto config = planted_config();
  config.layers = 3;
  config.heads = config.kv_heads = 8;
  config.head_width = 8;
  return config;
}

/// Head h attends the more sharply the larger h is; its values are `factor`^h times as large as those of the first.
inline std::shared_ptr<const Model> sharpening(double factor, uint64_t seed = 1) {
  const auto change = [factor](int64_t, BlockWeights& weights) {
    for (int64_t h = 0; h < 8; ++h) {
      const auto rows = [h](const Tensor& weight) { return weight.slice(0, 8 * h, 8 * h + 8); };
      rows(weights.query).mul_(4 * std::pow(2, h));
      rows(weights.key).mul_(4);
      rows(weights.value).mul_(std::pow(factor, h));
    }
  };
  return changed_model(eight_heads(), change, seed);
}

/// Rises with the dimension within each head: [n].
inline Tensor rising(int64_t n) {
  return (0.15 * at::arange(n, at::kLong).remainder(planted_config().head_width)).exp();
}

/// Later value dimensions vary more; W_O weights them more (1), less (-1) or alike (0).
inline std::shared_ptr<const Model> projecting(double power, uint64_t seed = 1) {
  const auto change = [power](int64_t, BlockWeights& weights) {
    weights.value.mul_(rising(weights.value.size(0)).unsqueeze(1));
    weights.output.mul_(rising(weights.output.size(1)).pow(power));
  };
  return changed_model(planted_config(), change, seed);
}

/// Scores are inner products of one projection of the inputs, `sharpness` times as large as they come, so every token
/// looks at itself.
inline std::shared_ptr<const Model> self_looking_model(double sharpness = 100, uint64_t seed = 1) {
  auto config = planted_config();
  config.kv_heads = config.heads;
  const auto look_at_itself = [sharpness](int64_t, BlockWeights& weights) {
    weights.key.mul_(sharpness);
    weights.query.copy_(weights.key);
  };
  return changed_model(config, look_at_itself, seed);
}

}  // namespace replicate
