#pragma once

// Softmax of scores that come one by one, with what statistics of its probabilities need; for host and device.

#include <cmath>

#ifdef __CUDACC__
#define REPLICATE_HOST_DEVICE __host__ __device__
#else
#define REPLICATE_HOST_DEVICE
#endif

namespace replicate::cuda {

/// Stands for a score that counts nothing. Finite, since exp(kNoScore - top) (kNoScore - top) must be 0 and not NaN.
constexpr float kNoScore = -1e30f;

/// Sums over the scores s seen so far, with e = exp(s - top) (Milakov and Gimelshein 2018, "Online normalizer calculation
/// for softmax"; the last two are the same idea). Scores must be finite.
///
/// With p = e / total: log p = s - lse, hence the entropy -sum p log p = lse - sum p s. Both terms grow with |s| while their
/// difference does not, so what is kept is sum e log e = sum e (s - top), of which top is gone: entropy = log total -
/// sum e log e / total.
struct OnlineSoftmax {
  float top = kNoScore;     ///< highest score, or anything above it
  float total = 0;          ///< sum e
  float squares = 0;        ///< sum e^2
  float weighted_logs = 0;  ///< sum e log e

  /// Makes `score` the top if it is higher. Returns exp(old top - new top), by which sums of e x of the caller shrink.
  REPLICATE_HOST_DEVICE float raise(float score) {
    if (score <= top) return 1;
    const float shift = top - score, factor = std::exp(shift);
    weighted_logs = factor * (weighted_logs + shift * total);  // e' log e' = f e (log e + log f)
    total *= factor;
    squares *= factor * factor;
    top = score;
    return factor;
  }

  /// Takes one score, which must not exceed the top. Returns its e.
  REPLICATE_HOST_DEVICE float add(float score) {
    const float log = score - top, e = std::exp(log);
    total += e;
    squares += e * e;
    weighted_logs += e * log;
    return e;
  }

  /// Takes what another has seen.
  REPLICATE_HOST_DEVICE void merge(OnlineSoftmax other) {
    raise(other.top);
    other.raise(top);
    total += other.total;
    squares += other.squares;
    weighted_logs += other.weighted_logs;
  }

  REPLICATE_HOST_DEVICE float log_sum_exp() const { return top + std::log(total); }
  REPLICATE_HOST_DEVICE float entropy() const {  // nats; rounding must not make it negative, NaN stays
    const float h = std::log(total) - weighted_logs / total;
    return h < 0 ? 0 : h;
  }
  REPLICATE_HOST_DEVICE float sum_squares() const { return squares / (total * total); }
};

}  // namespace replicate::cuda
