#include "models/kernels/softmax_row.h"

#include <algorithm>
#include <cmath>

// Written with the compiler's portable vectors of 16 floats; each function is compiled for several
// instruction sets and the loader picks one, so that a binary built on one machine is fast on another.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define REPLICATE_VECTORISED __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define REPLICATE_VECTORISED
#endif

namespace replicate {
namespace {

constexpr int64_t kLanes = 16;
typedef float Floats __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(kLanes * sizeof(int32_t)), aligned(4)));

/// exp(x) for x <= 0: x = n log 2 + r with |r| <= log 2 / 2, Taylor to r^6, then 2^n through the exponent
/// bits. Below -87 the result would be denormal; it becomes 2^-126 times the polynomial, which is nothing.
inline __attribute__((always_inline)) Floats exponential(Floats x) {
  const Floats floor = Floats{} - 87.f;
  x = x > floor ? x : floor;
  const Floats round = Floats{} + 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
  const Floats n = (x * 1.44269504f + round) - round;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = r * (1.f / 720) + (1.f / 120);
  p = p * r + (1.f / 24);
  p = p * r + (1.f / 6);
  p = p * r + 0.5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  const Ints exponent = (__builtin_convertvector(n, Ints) + 127) << 23;
  return p * (Floats)exponent;  // between vectors of one size this cast keeps the bits
}

inline __attribute__((always_inline)) float sum(const Floats& x) {
  float total = 0;
  for (int64_t i = 0; i < kLanes; ++i) total += x[i];
  return total;
}

/// Accumulates one vector of shifted scores; returns the exponentials.
inline __attribute__((always_inline)) Floats step(Floats shifted, Floats& total, Floats& squares,
                                                  Floats& logs) {
  const Floats e = exponential(shifted);
  total += e;
  squares += e * e;
  logs += e * shifted;
  return e;
}

}  // namespace

REPLICATE_VECTORISED RowSums softmax_row(float* x, int64_t n, float scale) {
  const int64_t whole = n / kLanes * kLanes;
  Floats top = Floats{} - INFINITY;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Floats value = *reinterpret_cast<const Floats*>(x + i);
    top = value > top ? value : top;
  }
  float largest = -INFINITY;
  for (int64_t i = 0; i < kLanes; ++i) largest = std::max(largest, top[i]);
  for (int64_t i = whole; i < n; ++i) largest = std::max(largest, x[i]);

  const float shift = largest * scale;
  Floats total{}, squares{}, logs{};
  for (int64_t i = 0; i < whole; i += kLanes) {
    auto& value = *reinterpret_cast<Floats*>(x + i);
    value = step(value * scale - shift, total, squares, logs);
  }
  if (whole < n) {  // the rest, padded with scores so low that they count for nothing
    Floats rest = Floats{} - 1e30f;
    for (int64_t i = whole; i < n; ++i) rest[i - whole] = x[i] * scale - shift;
    Floats padded_total{}, padded_squares{}, padded_logs{};
    rest = step(rest, padded_total, padded_squares, padded_logs);
    for (int64_t i = whole; i < n; ++i) {
      const float e = rest[i - whole], shifted = x[i] * scale - shift;
      total[i - whole] += e;
      squares[i - whole] += e * e;
      logs[i - whole] += e * shifted;
      x[i] = e;
    }
  }
  return {sum(total), sum(squares), sum(logs)};
}

float entropy(const RowSums& sums) {
  return std::max(0.f, std::log(sums.total) - sums.weighted_logs / sums.total);
}

REPLICATE_VECTORISED void add_scaled(float* y, const float* x, int64_t n, float a) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

}  // namespace replicate
