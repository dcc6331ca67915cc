#include "models/kernels/rms_norm_row.h"

#include <cmath>

#include "models/kernels/vectorised.h"

namespace replicate {

REPLICATE_VECTORISED float rms_norm_row(const float* x, const float* gain, float* y, int64_t n, float eps) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < n; ++i) squares += x[i] * x[i];
  const float inverse = 1 / std::sqrt(squares / static_cast<float>(n) + eps);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * inverse * gain[i];
  return inverse;
}

REPLICATE_VECTORISED void rms_norm_row_backward(const float* x, const float* gain, const float* dy, float inverse,
                                                float* dx, float* dgain, int64_t n) {
  float along = 0;
#pragma omp simd reduction(+ : along)
  for (int64_t i = 0; i < n; ++i) along += x[i] * gain[i] * dy[i];
  const float back = along * inverse * inverse / static_cast<float>(n);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    dx[i] = inverse * (gain[i] * dy[i] - x[i] * back);
    dgain[i] += dy[i] * x[i] * inverse;
  }
}

REPLICATE_VECTORISED void scale_row(float* x, int64_t n, float a) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] *= a;
}

}  // namespace replicate
