#pragma once

#include "models/core/probe.h"

namespace replicate {

/// How far the head outputs of each sequence and position lie from their mean over sequences at that position, in
/// layers 1 to `last`. Keeps the outputs of one layer at a time.
class OutputDeviation : public Probe {
 public:
  explicit OutputDeviation(int64_t last) : last_(last) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void finish_layer(int64_t layer) override;

  /// Log of the squared distance, mean over the layers: [B, T].
  Tensor log_distance() const { return at::stack(layers_).mean(0); }

 private:
  int64_t last_;
  std::vector<Tensor> batches_;  // [b, T, H K] of the current layer
  std::vector<Tensor> layers_;   // [B, T]
};

}  // namespace replicate
