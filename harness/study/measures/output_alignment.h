#pragma once

// Whether W_O weights most what varies most: Kendall's tau of its outputs' absolute weights with the variance of its
// inputs (paper, figure 7), and W_O with its inputs permuted.

#include "harness/study/measures/mean_tau.h"
#include "models/core/probe.h"

namespace replicate {

/// Keeps the head outputs at positions 0..31 and W_O of the chosen layers.
class ProjectionProbe : public Probe {
 public:
  explicit ProjectionProbe(std::vector<int64_t> layers) : layers_(std::move(layers)) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe_weights(int64_t layer, const BlockWeights& weights) override;
  void observe(const Place& place, Site site, const Tensor& value) override;

  Tensor outputs(int64_t layer) const { return at::cat(outputs_.at(layer), 0); }  ///< [B, P, H, K]
  Tensor weight(int64_t layer) const { return weights_.at(layer); }               ///< [D, H K]

 private:
  std::vector<int64_t> layers_;
  std::map<int64_t, Tensor> weights_;
  std::map<int64_t, std::vector<Tensor>> outputs_;
};

/// The order of W_O's H K inputs under a permutation of the G K value dimensions: value dimension permutation[i] in
/// the place of i, each query head of a group with the head of the same number in the other group.
Tensor input_order(const ModelConfig& config, const Tensor& permutation);

/// W_O' W_O with the inputs of W_O permuted, mean over permutations: what W_O does to a variance if it does not know
/// where it lies. weight [D, H K] -> [H K, H K]
Tensor permuted_metric(const ModelConfig& config, const Tensor& weight, std::span<const Tensor> permutations);

/// Tau-b of |W_O[i, :]| with variances of the value dimensions that W_O's inputs carry, mean over outputs i.
class ProjectionTau {
 public:
  ProjectionTau(const ModelConfig& config, const Tensor& weight);  ///< [D, H K]
  double operator()(const Tensor& variance) const;                 ///< [G, K]: query heads of a group share them

 private:
  Tensor dimensions_, magnitude_;
  MeanTau mean_tau_;
};

/// Tau-b of |W_O[i, :]| with the variance over sequences of W_O's inputs at one position, in one layer.
class OutputAlignment {
 public:
  /// outputs [B, P, H, K] before W_O, weight [D, H K].
  OutputAlignment(const ModelConfig& config, const Tensor& outputs, const Tensor& weight);

  /// Mean over outputs i, with the variances at `position`; weights [R, B] (harness/study/population.h) -> [R].
  Tensor mean_tau(const Tensor& weights, int64_t position) const;
  /// The same averaged over positions first..last.
  Tensor mean_tau(const Tensor& weights, int64_t first, int64_t last) const;

  // Of all sequences, with position 0's variances.
  std::vector<double> taus() const;  ///< of each output: D values

 private:
  Tensor value_variances(const Tensor& weights) const;
  Tensor even() const;

  ModelConfig config_;
  Tensor outputs_, magnitude_;
  MeanTau mean_tau_;
};

}  // namespace replicate
