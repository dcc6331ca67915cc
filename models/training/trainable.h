#pragma once

#include "models/core/block.h"
#include "models/training/arm.h"
#include "models/training/parameter_set.h"

namespace replicate {

/// A model whose weights are being learned: a parameter set and how an arm reads it. Its forward pass is
/// block_forward, the one that analysis taps.
class TrainableModel {
 public:
  /// The weights of random_weights(config, seed): arms start alike wherever their shapes agree. `sample` [B, T] int64
  /// is what constant_gain is matched on. `options`: device, and float32 (float64 to test gradients).
  TrainableModel(const Arm& arm, const ModelConfig& base, uint64_t seed, const Tensor& sample,
                 const at::TensorOptions& options);

  const Arm& arm() const { return arm_; }
  const ModelConfig& config() const { return config_; }
  ParameterSet& parameters() { return parameters_; }
  const ParameterSet& parameters() const { return parameters_; }

  /// The weights that a block computes with, folded from the parameters; gradients flow through.
  BlockWeights block(int64_t layer) const;

  /// Mean cross-entropy of the next token, nats: inputs and targets [B, T] int64, a scalar. With `bfloat16` matrix
  /// products are in it; the residual stream, norms and the loss are in the parameters' type.
  Tensor loss(const Tensor& inputs, const Tensor& targets, bool bfloat16 = false) const;

  /// The weights as they are now, for probes and checkpoints: copies, without autograd.
  std::shared_ptr<const WeightSource> frozen() const;

  /// Fixed numbers that W_O is folded with and that are no parameters: constants per head [L, H] of constant_gain,
  /// undefined elsewhere.
  const Tensor& head_constants() const { return head_constants_; }

  /// Signs that the entries of a layer's W_down keep: [D, F] of 1 and -1 with dense_down, no parameters; undefined
  /// elsewhere.
  const Tensor& down_signs(int64_t layer) const { return down_signs_[static_cast<size_t>(layer - 1)]; }

 private:
  void initialise(uint64_t seed);
  void match_head_constants(const Tensor& sample);
  Tensor folded_output(int64_t layer) const;
  Tensor folded_down(int64_t layer) const;
  const Positions& positions(int64_t layer, int64_t length) const;
  const Tensor& weight(int64_t layer, const char* name) const;

  Arm arm_;
  ModelConfig config_;
  ParameterSet parameters_;
  Tensor head_constants_;                                        // [L, H]
  std::vector<Tensor> down_signs_;                               // [D, F] per layer, with dense_down
  mutable std::map<int64_t, std::vector<Positions>> positions_;  // by length; they stay, as a CUDA graph may read them
};

}  // namespace replicate
