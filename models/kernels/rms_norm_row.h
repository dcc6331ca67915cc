#pragma once

// RMSNorm of one row, forward and backward, without LibTorch.

#include <cstdint>

namespace replicate {

/// y = x r g with r = 1 / sqrt(mean x^2 + eps), which is returned.
float rms_norm_row(const float* x, const float* gain, float* y, int64_t n, float eps);

/// dx of one row, whose r is `inverse`: r (g dy - x r^2 mean(x g dy)). dgain += dy x r.
void rms_norm_row_backward(const float* x, const float* gain, const float* dy, float inverse, float* dx, float* dgain,
                           int64_t n);

/// x *= a
void scale_row(float* x, int64_t n, float a);

}  // namespace replicate
