#include "models/kernels/softmax_row.h"

#include <algorithm>
#include <bit>
#include <cmath>

// Plain loops that compilers turn into vector code (see CMakeLists.txt). Each function is compiled for
// several instruction sets and the loader picks one, so that a binary built here is fast elsewhere.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define REPLICATE_VECTORISED \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define REPLICATE_VECTORISED
#endif

namespace replicate {
namespace {

/// exp(x) for x <= 0: x = n log 2 + r with |r| <= log 2 / 2, Taylor to r^6, then 2^n through the exponent
/// bits. Below -87 the result would be denormal; it is zero.
inline __attribute__((always_inline)) float exponential(float x) {
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
  const float clamped = x < -87.f ? -87.f : x;
  const float shifted = clamped * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = r * (1.f / 720) + (1.f / 120);
  p = p * r + (1.f / 24);
  p = p * r + (1.f / 6);
  p = p * r + 0.5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  const auto power = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return x < -87.f ? 0.f : p * power;
}

}  // namespace

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

float entropy(const RowSums& sums) {
  return std::max(0.f, std::log(sums.total) - sums.weighted_logs / sums.total);
}

REPLICATE_VECTORISED void add_scaled(float* y, const float* x, int64_t n, float a) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

}  // namespace replicate
