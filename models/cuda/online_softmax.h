#pragma once

// Softmax of scores that come one by one, with what statistics of its probabilities need; for host and device.

#include <cmath>

#ifdef __CUDACC__
#define REPLICATE_HOST_DEVICE __host__ __device__
#else
#define REPLICATE_HOST_DEVICE
#endif

namespace replicate::cuda {

/// Stands for a score that counts nothing. Finite, since 2^(kNoScore - top) (kNoScore - top) must be 0 and not NaN.
constexpr float kNoScore = -1e30f;

constexpr float kNat = 1.44269504f;  // log2 e, in bits

/// 2^x: on a device one instruction with a relative error of 2^-22, and 0 below 2^-126.
REPLICATE_HOST_DEVICE inline float power_of_two(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return std::exp2(x);
#endif
}

/// Sums over the scores s seen so far, with e = exp(scale s - top) (Milakov and Gimelshein 2018, "Online normalizer
/// calculation for softmax"; the last two are the same idea). Scores must be finite and their scale positive. They come
/// unscaled and logarithms are kept in bits, so that e is one multiply-add and one power of two. All that leaves is in
/// nats.
///
/// With p = e / total: log p = s - lse, hence the entropy -sum p log p = lse - sum p s. Both terms grow with |s| while
/// their difference does not, so what is kept is sum e log e = sum e (s - top), of which top is gone: entropy = log
/// total - sum e log e / total.
struct OnlineSoftmax {
  float unit = kNat;        ///< a score of 1 in bits: its scale times log2 e
  float top = kNoScore;     ///< highest score in bits, or anything near or above it
  float total = 0;          ///< sum e
  float squares = 0;        ///< sum e^2
  float weighted_logs = 0;  ///< sum e log2 e

  /// Makes `score` the top if it is higher. Returns exp(old top - new top), by which sums of e x of the caller shrink.
  REPLICATE_HOST_DEVICE float raise(float score) { return raise_top(score * unit); }

  /// Takes one score, which must not exceed the top. Returns its e.
  REPLICATE_HOST_DEVICE float add(float score) {
    const float log = below_top(score), e = power_of_two(log);
    total += e;
    squares += e * e;
    weighted_logs += e * log;
    return e;
  }

  /// Takes what another has seen.
  REPLICATE_HOST_DEVICE void merge(OnlineSoftmax other) {
    raise_top(other.top);
    other.raise_top(top);
    total += other.total;
    squares += other.squares;
    weighted_logs += other.weighted_logs;
  }

  REPLICATE_HOST_DEVICE float log_sum_exp() const { return (top + std::log2(total)) / kNat; }
  REPLICATE_HOST_DEVICE float entropy() const {  // rounding must not make it negative, NaN stays
    const float h = (std::log2(total) - weighted_logs / total) / kNat;
    return h < 0 ? 0 : h;
  }
  REPLICATE_HOST_DEVICE float sum_squares() const { return squares / (total * total); }

  /// -log p of a score; the large numbers cancel before anything is rounded.
  REPLICATE_HOST_DEVICE float surprise(float score) const { return (std::log2(total) - below_top(score)) / kNat; }

 private:
  /// log2 e of a score; rounded once, after the top is gone.
  REPLICATE_HOST_DEVICE float below_top(float score) const { return std::fma(score, unit, -top); }

  /// Without a branch: where nothing rises the factor is 1.
  REPLICATE_HOST_DEVICE float raise_top(float bits) {
    const float higher = std::fmax(top, bits), shift = top - higher, factor = power_of_two(shift);
    weighted_logs = factor * (weighted_logs + shift * total);  // e' log e' = f e (log e + log f)
    total *= factor;
    squares *= factor * factor;
    top = higher;
    return factor;
  }
};

}  // namespace replicate::cuda
