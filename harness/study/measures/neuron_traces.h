#pragma once

// What a few chosen hidden neurons do at every position (paper, figure 9).

#include <map>

#include "models/core/probe.h"

namespace replicate {

/// Looks at chosen neurons of one lane; `neurons` names them by layer.
class NeuronTraces : public Probe {
 public:
  using NeuronsByLayer = std::map<int64_t, std::vector<int64_t>>;
  explicit NeuronTraces(NeuronsByLayer neurons) : neurons_(std::move(neurons)) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe_weights(int64_t layer, const BlockWeights& weights) override;
  void observe(const Place& place, Site site, const Tensor& value) override;

  // Per sequence, position and chosen neuron, [B, T, N] float64 on the CPU.
  /// Cosine of the FFN's input, which has the norm's gain, with the W_gate row as stored.
  Tensor gate_cosine(int64_t layer) const { return joined(layer, Site::gate); }
  Tensor up_activation(int64_t layer) const { return joined(layer, Site::up); }   ///< raw, signed
  Tensor activation(int64_t layer) const { return joined(layer, Site::hidden); }  ///< |z|

  Tensor down(int64_t layer) const { return down_.at(layer); }  ///< columns of W_down, [N, D]

 private:
  Tensor joined(int64_t layer, Site site) const;

  NeuronsByLayer neurons_;
  std::map<std::pair<int64_t, Site>, std::vector<Tensor>> seen_;
  std::map<int64_t, Tensor> down_;
  Tensor index_, row_norm_, input_norm_;  // of the layer and current batch
};

}  // namespace replicate
