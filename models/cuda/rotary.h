#pragma once

// Rotary position embedding (Su et al. 2021, "RoFormer"), half-split layout: pairs (i, i + W/2) of the first W
// dimensions of a head turn by angles whose cosines and sines lie in tables. Element is float or Bfloat16, arithmetic
// float32. Plain pointers, no LibTorch. Errors: cudaErrorInvalidValue for empty shapes, an odd W or one above K, or
// CUDA's own.

#include "models/cuda/runtime.h"

namespace replicate::cuda {

struct RotaryShape {
  int64_t batch, length;  // B, T
  int heads, width;       // n, K
  int turned;             // W: so many dimensions of a head turn, the others are copied
};

/// y [B, n, T, K] from x [B, n, T, K]: (a, b) becomes (a c - b s, b c + a s). cosine and sine [T, W] in float32, each
/// angle twice, one half of a row after the other. direction 1 turns forward; -1 turns back, which is also the
/// gradient. y may be x.
template <typename Element>
cudaError_t rotary(Strided<const Element> x, const float* cosine, const float* sine, Strided<Element> y,
                   const RotaryShape& shape, float direction, cudaStream_t stream);

}  // namespace replicate::cuda
