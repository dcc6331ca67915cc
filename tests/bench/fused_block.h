#pragma once

#include "models/core/block.h"

namespace replicate {

/// A block as one would write it with LibTorch's fused attention. x [B, T, D]; products are of the weights' type.
inline Tensor fused_block(const ModelConfig& c, const BlockWeights& w, const Positions& rotary, const Tensor& x) {
  const auto type = w.query.scalar_type();
  const auto rotated = [&](const Tensor& heads) {
    const auto halves = heads.chunk(2, -1);
    return (heads * rotary.cosine + at::cat({-halves[1], halves[0]}, -1) * rotary.sine).to(type);
  };
  const auto normed = rms_norm(x, w.attention_norm, c.norm_eps).to(type);
  const auto heads = [&](const Tensor& weight) {
    return at::linear(normed, weight).unflatten(-1, {-1, c.head_width}).transpose(1, 2);
  };
  const auto attended = at::scaled_dot_product_attention(rotated(heads(w.query)), rotated(heads(w.key)), heads(w.value),
                                                         {}, 0, true, std::nullopt, /*enable_gqa=*/true);
  const auto mid = x + at::linear(attended.transpose(1, 2).flatten(2), w.output);
  const auto h = rms_norm(mid, w.ffn_norm, c.norm_eps).to(type);
  return mid + at::linear(at::silu(at::linear(h, w.gate)) * at::linear(h, w.up), w.down);
}

}  // namespace replicate
