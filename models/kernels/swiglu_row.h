#pragma once

// SwiGLU's hidden layer, one row, without LibTorch: silu(g) u with silu(g) = g sigmoid(g).

#include <cstdint>

namespace replicate {

/// y = silu(gate) up. Relative error below 1e-6.
void swiglu_row(const float* gate, const float* up, float* y, int64_t n);

/// dgate = dy up (s + gate s (1 - s)) with s = sigmoid(gate), dup = dy gate s.
void swiglu_row_backward(const float* gate, const float* up, const float* dy, float* dgate, float* dup, int64_t n);

}  // namespace replicate
