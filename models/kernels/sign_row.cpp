#include "models/kernels/sign_row.h"

#include "models/kernels/vectorised.h"

namespace replicate {
namespace {

/// Of a - b, without a branch. To be multiplied with, so that NaN and infinity stay what they are.
inline __attribute__((always_inline)) double sign(double a, double b) {
  return (a > b ? 1.0 : 0.0) - (a < b ? 1.0 : 0.0);
}

}  // namespace

REPLICATE_VECTORISED double signed_sum(const double* s, const double* r, double here, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += s[i] * sign(here, r[i]);
  return sum;
}

REPLICATE_VECTORISED void add_signs(double* s, const double* r, double here, double weight, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) s[i] += weight * sign(here, r[i]);
}

}  // namespace replicate
