#include "models/kernels/rotary_row.h"

#include "models/kernels/vectorised.h"

namespace replicate {

REPLICATE_VECTORISED void rotary_row(const float* x, const float* cosine, const float* sine, float* y, int64_t width,
                                     int64_t n, float direction) {
  const int64_t half = width / 2;
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half], c = cosine[i], s = direction * sine[i];
    y[i] = a * c - b * s;
    y[i + half] = b * c + a * s;
  }
#pragma omp simd
  for (int64_t i = width; i < n; ++i) y[i] = x[i];
}

}  // namespace replicate
