#pragma once

// Value aggregation as arithmetic: how much a position's head output should vary over sequences, from attention
// probabilities and value vectors alone.

#include "harness/study/measures/position_variance.h"

namespace replicate {

/// What value aggregation works with and what it makes of it at positions 0..P-1 (P = kVariancePositions); per
/// sequence, float64 on the CPU. vbar is the mean value over all sequences and positions.
struct Aggregated {
  Tensor attention;   ///< [B, H, P, P] sum over k of A[q, k] A[q, k + d], both orders counted, for every lag d
  Tensor covariance;  ///< [B, G, P] mean over positions of (v_t - vbar) . (v_{t + d} - vbar) / K for every lag d
  Tensor deviation;   ///< [B, P] |o_t - vbar|^2 / (H K)
};

class AggregationProbe : public Probe {
 public:
  explicit AggregationProbe(std::vector<int64_t> layers);

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void observe_attention(const Place& place, const AttentionStatistics& statistics) override;
  void finish_layer(int64_t layer) override;

  const Aggregated& layer(int64_t layer) const { return seen_.at(layer); }

 private:
  std::vector<int64_t> layers_, rows_;
  std::vector<Tensor> values_, outputs_, attention_;  // batches of the current layer
  std::map<int64_t, Aggregated> seen_;
};

/// Variance of each position's output if attention did not depend on the values that it weighs: mean over heads of the
/// sum over lags d < `lags` of E[attention] C(d). One lag: E[sum_k A^2] E|v - vbar|^2 / K, values of different
/// positions taken as independent. vbar is held fixed. weights [R, B] (harness/study/population.h) -> [R, P]
Tensor predicted_variance(const Aggregated& seen, const Tensor& weights, int64_t lags);

/// How much of the log variance of positions 1..P-1 a prediction explains, nothing fitted: [R, P] twice -> [R].
Tensor averaging_r2(const Tensor& observed, const Tensor& predicted);

}  // namespace replicate
