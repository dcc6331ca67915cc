#pragma once

#include "models/core/probe.h"

namespace replicate {

/// The largest selectivity of any hidden neuron, by layer: mean over sequences of |z_0| over the mean of the largest
/// |z_t| at positions t >= 1.
class LargestSelectivity : public Probe {
 public:
  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& hidden) override;
  void finish_layer(int64_t layer) override;

  const std::vector<double>& layers() const { return largest_; }  ///< L values

 private:
  Tensor first_, rest_;  // sums over sequences in the layer that runs, [F]
  std::vector<double> largest_;
};

}  // namespace replicate
