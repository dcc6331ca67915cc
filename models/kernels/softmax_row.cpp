#include "models/kernels/softmax_row.h"

#include <algorithm>
#include <cmath>

#include "models/kernels/vectorised.h"

namespace replicate {

REPLICATE_VECTORISED RowSums softmax_row(float* x, int64_t n, float scale) {
  float top = x[0];
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < n; ++i) top = x[i] > top ? x[i] : top;

  const float shift = top * scale;
  float total = 0, squares = 0, logs = 0;
#pragma omp simd reduction(+ : total, squares, logs)
  for (int64_t i = 0; i < n; ++i) {
    const float log = x[i] * scale - shift;
    const float e = exponential(log);
    x[i] = e;
    total += e;
    squares += e * e;
    logs += e * log;
  }
  return {total, squares, logs, top};
}

float entropy(const RowSums& sums) { return std::max(0.f, std::log(sums.total) - sums.weighted_logs / sums.total); }

REPLICATE_VECTORISED void add_scaled(float* y, const float* x, int64_t n, float a) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

}  // namespace replicate
