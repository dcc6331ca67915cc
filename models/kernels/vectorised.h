#pragma once

// For the source files of this folder: plain loops that compilers turn into vector code (see CMakeLists.txt). Each
// function is compiled for several instruction sets and the loader picks one, so that a binary built here is fast
// elsewhere.

#include <bit>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define REPLICATE_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define REPLICATE_VECTORISED
#endif

namespace replicate {

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

}  // namespace replicate
