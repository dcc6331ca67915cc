#pragma once

#include "models/core/probe.h"

namespace replicate {

/// Variance over sequences of what each head puts out at positions >= 1, before W_O, in every layer. Keeps inner
/// products over sequences [H, B, B] a layer, which is all that variances need; outputs of one layer at a time.
class HeadProducts : public Probe {
 public:
  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void finish_layer(int64_t layer) override;

  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }
  /// Unbiased variance under resampling weights [R, B] (harness/study/population.h), mean over a head's dimensions and
  /// positions: [R, H].
  Tensor variance(int64_t layer, const Tensor& weights) const;

 private:
  std::vector<Tensor> batches_;  // [b, H, (T - 1) K] of the current layer
  std::vector<Tensor> layers_;   // [H, B, B]
};

}  // namespace replicate
