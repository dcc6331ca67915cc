#pragma once

#include "models/core/probe.h"

namespace replicate {

/// Variance over sequences of the value vectors of one layer, dimension by dimension, and the layer's W_O. Running sums
/// take the place of the values, so that there can be as many sequences as ids in a vocabulary. On sequences of one
/// token these are the variances of position 0 in any sequence, since position 0 sees only itself.
class ValueVariance : public Probe {
 public:
  explicit ValueVariance(int64_t layer) : layer_(layer) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe_weights(int64_t layer, const BlockWeights& weights) override;
  void observe(const Place& place, Site site, const Tensor& value) override;

  Tensor variance() const;                          ///< unbiased, of position 0: [G, K] float64 on the CPU
  const Tensor& weight() const { return weight_; }  ///< W_O: [D, H K] float32 on the CPU

 private:
  int64_t layer_;
  int64_t sequences_ = 0;
  Tensor mean_, squares_;  // [G, K]: of all sequences so far, and their squared distances from it
  Tensor weight_;
};

}  // namespace replicate
