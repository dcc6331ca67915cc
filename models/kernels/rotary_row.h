#pragma once

// Rotary position embedding (Su et al. 2021) of one head's vector, half-split layout, without LibTorch.

#include <cstdint>

namespace replicate {

/// Turns the pairs (i, i + width / 2) of x[0..width) by angles whose cosines and sines lie twice, one after the other,
/// in tables of `width`; copies x[width..n). With direction -1 it turns back, which is also its gradient. x and y
/// apart.
void rotary_row(const float* x, const float* cosine, const float* sine, float* y, int64_t width, int64_t n,
                float direction);

}  // namespace replicate
