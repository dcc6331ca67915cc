#pragma once

// Which hidden neurons of a SwiGLU FFN fire for position 0 and what they write: looked at by the survey, which
// names the super neurons, and by the claims about them.

#include <map>

#include "harness/record/stages.h"
#include "models/core/probe.h"

namespace replicate {

/// What the weights of one FFN say of its hidden neurons; every tensor [F], float64 on the CPU.
struct NeuronWeights {
  Tensor gate_norm_z, up_norm_z;  ///< robust z of log |row|, the RMSNorm gain folded in (paper, figure 8)
  Tensor write_norm_z;       ///< robust z of log |up row| |down column|: weights that move norm between the two agree
  Tensor down_norm;          ///< |W_down[:, n]|
  Tensor down_kurtosis;      ///< fourth standardised moment of W_down[:, n]; 3 for a normal distribution
  Tensor down_top_share;     ///< share of |W_down[:, n]|^2 in its two largest components (figure 10)
  Tensor outlier_dimension;  ///< int64: the residual dimension it writes to most
};

NeuronWeights neuron_weights(const BlockWeights& weights);

/// Whether the weights alone make them super neurons: [F] bool.
Tensor outlying(const NeuronWeights& weights, const SuperNeuronRule& rule);

/// (x - median) / (1.4826 MAD), so that a normal distribution has standard deviation 1.
Tensor robust_z(const Tensor& x);

/// What one lane's sequences do in the hidden neurons of the chosen layers (all when empty), z = silu(gate) up.
class NeuronProbe : public Probe {
 public:
  /// With a rule, the neurons whose weights meet it are looked at more closely: `selective`.
  explicit NeuronProbe(std::vector<int64_t> layers = {}, std::optional<SuperNeuronRule> rule = {})
      : layers_(std::move(layers)), rule_(rule) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe_weights(int64_t layer, const BlockWeights& weights) override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void finish_layer(int64_t layer) override;

  const NeuronWeights& weights(int64_t layer) const { return weights_.at(layer); }

  // Per sequence and neuron, [B, F] float64 on the CPU.
  Tensor first(int64_t layer) const;      ///< |z| at position 0
  Tensor rest_max(int64_t layer) const;   ///< largest |z| at positions >= 1
  Tensor rest_mean(int64_t layer) const;  ///< mean |z| at positions >= 1
  /// Whether the weights meet the rule, and the median over texts of |z_0| / (95th percentile of |z_t|, t >= 1) does:
  /// [F] bool.
  Tensor super_neurons(int64_t layer) const;
  /// Share of position 0's FFN output that the neuron writes: z (w . y) / |y|^2 with w its column of W_down and y
  /// that output. Sums to 1 over neurons.
  Tensor written_share(int64_t layer) const;

 private:
  struct Seen {
    std::vector<Tensor> first, rest_max, rest_mean, share;
    Tensor outlying;                  // indices [C]
    std::vector<Tensor> selectivity;  // [b, C]
  };
  std::vector<int64_t> layers_;
  std::optional<SuperNeuronRule> rule_;
  std::map<int64_t, NeuronWeights> weights_;
  std::map<int64_t, Seen> seen_;
  Tensor down_;       // [D, F] of the current layer
  Tensor first_now_;  // [b, F] of the current batch, signed
};

}  // namespace replicate
