#pragma once

#include "models/core/executor.h"
#include "models/core/watch.h"

namespace replicate {

/// A model of a few thousand weights for tests: L = 3, D = 24, H = 4, G = 2, K = 6, F = 40, V = 50.
inline std::shared_ptr<const Model> small_model(uint64_t seed = 7) {
  ModelConfig config;
  config.layers = 3;
  config.width = 24;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_width = 6;
  config.hidden = 40;
  config.vocabulary = 50;
  return std::make_shared<const Model>(Model{"small", config, random_weights(config, seed, at::kCPU)});
}

inline Tokens random_tokens(int64_t sequences, int64_t length, int64_t vocabulary = 50, uint64_t seed = 11) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  return make_tokens(at::randint(0, vocabulary, {sequences, length}, generator, at::kLong));
}

/// A probe that keeps the residual stream as it is: [B, L + 1, T, D] when it has seen all layers.
inline std::shared_ptr<Watch> residual() {
  return watch_residual([](const Tensor& x) { return x; });
}

}  // namespace replicate
