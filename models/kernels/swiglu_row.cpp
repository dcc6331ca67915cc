#include "models/kernels/swiglu_row.h"

#include "models/kernels/vectorised.h"

namespace replicate {
namespace {

/// exp of a negative number alone, so that nothing overflows.
inline __attribute__((always_inline)) float sigmoid(float x) {
  const float e = exponential(x < 0 ? x : -x);
  return (x < 0 ? e : 1.f) / (1.f + e);
}

}  // namespace

REPLICATE_VECTORISED void swiglu_row(const float* gate, const float* up, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

REPLICATE_VECTORISED void swiglu_row_backward(const float* gate, const float* up, const float* dy, float* dgate,
                                              float* dup, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float s = sigmoid(gate[i]), silu = gate[i] * s;
    dup[i] = dy[i] * silu;
    dgate[i] = dy[i] * up[i] * (s + silu * (1.f - s));
  }
}

}  // namespace replicate
