#pragma once

#include "models/attention.h"
#include "models/config.h"
#include "models/site.h"
#include "models/weights.h"

namespace replicate {

/// What analysis hangs into a block. Training passes none and pays nothing.
class Tap {
 public:
  virtual ~Tap() = default;
  /// Sees the value at a site and returns what the block goes on with (the same tensor, or a patched one).
  virtual Tensor at(Site site, Tensor value) = 0;
  virtual AttentionSpec attention_spec(double scale) = 0;
  virtual AttentionNeeds attention_needs() = 0;
  virtual void attention(const AttentionStatistics& statistics) = 0;
};

/// cos and sin of RoPE for positions 0..length-1, each [T, K], half-split order.
struct RotaryTable {
  Tensor cosine, sine;
};
RotaryTable rotary_table(const ModelConfig& config, int64_t length, at::Device device);

/// x / sqrt(mean x^2 + eps) * gain over the last axis; float32 inside (float64 for float64), in
/// the gain's type outside.
Tensor rms_norm(const Tensor& x, const Tensor& gain, double eps);

/// One transformer block: pre-norm attention with RoPE, pre-norm SwiGLU, both added to the residual
/// stream. residual [B, T, D] float32 -> [B, T, D].
Tensor block_forward(const ModelConfig& config, const BlockWeights& weights,
                     const RotaryTable& rotary, const Tensor& residual, Tap* tap = nullptr);

}  // namespace replicate
