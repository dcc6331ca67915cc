#pragma once

#include "models/core/attention.h"
#include "models/core/site.h"
#include "models/core/weights.h"
#include "models/formats/config.h"

namespace replicate {

/// Hooks of an analysis, called at each site of a block. Training passes none and pays nothing.
class Hooks {
 public:
  virtual ~Hooks() = default;
  /// Sees the value at a site and returns what the block goes on with (the same tensor, or a patched one).
  virtual Tensor at(Site site, Tensor value) = 0;
  virtual AttentionSpec attention_spec(double scale) = 0;
  virtual AttentionNeeds attention_needs() = 0;
  virtual void attention(const AttentionStatistics& statistics) = 0;
};

/// What a layer makes of positions: cos and sin of RoPE for positions 0..T-1, each [T, width], half-split order
/// (undefined in a layer without RoPE), and how many positions a query sees, itself the last of them.
struct Positions {
  Tensor cosine, sine;
  std::optional<int64_t> window;
};
/// By layer, the first one first. Layers that are alike share their tables.
std::vector<Positions> positions_of(const ModelConfig& config, int64_t length, at::Device device);

/// x / sqrt(mean x^2 + eps) * gain over the last axis; float32 inside (float64 for float64), in
/// the gain's type outside.
Tensor rms_norm(const Tensor& x, const Tensor& gain, double eps);

/// The model's own norm of x [..., D]: rms_norm, or LayerNorm, which is rms_norm of x less its mean, plus a bias.
Tensor norm(const ModelConfig& config, const Tensor& x, const Tensor& gain, const Tensor& bias);

/// One transformer block: attention with RoPE and an FFN, each with its norms and added to the residual
/// stream. residual [B, T, D] float32 -> [B, T, D].
Tensor block_forward(const ModelConfig& config, const BlockWeights& weights, const Positions& positions,
                     const Tensor& residual, Hooks* hooks = nullptr);

}  // namespace replicate
