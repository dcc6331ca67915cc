#pragma once

#include <filesystem>

#include "models/core/torch.h"
#include "models/formats/config.h"

namespace replicate {

/// One block's weights in float32, rows as outputs (y = x W^T). Q and K are in half-split RoPE order.
struct BlockWeights {
  Tensor attention_norm;  // [D]; ones where the model has no norm before attention
  Tensor query;           // [H K, D]
  Tensor key;             // [G K, D]
  Tensor value;           // [G K, D]
  Tensor output;          // [D, H K]
  Tensor ffn_norm;        // [D]; ones where it has none before the FFN
  Tensor gate;            // [F, D]; undefined where the FFN has none
  Tensor up;              // [F, D]
  Tensor down;            // [D, F]
  // Undefined where the configuration has no such thing.
  Tensor query_bias = {}, key_bias = {}, value_bias = {};  // [H K], [G K], [G K]
  Tensor output_bias = {};                                 // [D]
  Tensor query_norm = {}, key_norm = {};                   // [K] each, or [H K] and [G K]
  Tensor attention_post_norm = {}, ffn_post_norm = {};     // [D]
  Tensor attention_norm_bias = {}, ffn_norm_bias = {};     // [D]
  Tensor up_bias = {}, down_bias = {};                     // [F], [D]
  Tensor head_norm = {};                                   // [K]
  Tensor output_gate = {};                                 // [H K, D]
};

/// Where weights come from. The executor acquires a block, runs every lane through it and lets go, so
/// memory holds one block at a time whatever the size of the model.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual BlockWeights block(int64_t layer) const = 0;  ///< layer in 1..L
  /// [B, T] int64 -> [B, T, D]; what the model has learned for positions 0 to T - 1 is added.
  virtual Tensor embed(const Tensor& ids) const = 0;
  virtual Tensor final_norm() const = 0;                      ///< [D]
  virtual Tensor final_norm_bias() const { return {}; }       ///< [D]; undefined unless the model has LayerNorm
  virtual Tensor head() const = 0;                            ///< [V, D]; Error in a model without a head
  virtual void release(int64_t layer) const { (void)layer; }  ///< the block is not needed any more
};

/// A block's weight and its shape in this configuration. The norms before attention and FFN are listed where the model
/// has them.
struct BlockWeight {
  Tensor BlockWeights::*weight;
  std::vector<int64_t> shape;
};
std::vector<BlockWeight> block_weights(const ModelConfig& config);

/// A block with room for the matrices that read one vector, float32, one after the other in memory: W_Q, W_K, W_V, and
/// gate, up. `block_forward` then makes one product of them.
BlockWeights with_room(const ModelConfig& config, at::Device device);

int64_t parameters(const ModelConfig& config);  ///< number of weights, a tied head counted once

/// The null model: a configuration with fresh weights, normal with standard deviation 0.02 and
/// 0.02 / sqrt(2 L) for the two projections that write into the residual stream (GPT-2's scheme,
/// which Llama trainers commonly use), gains at 1. The same seed gives the same weights, layer by layer.
std::shared_ptr<WeightSource> random_weights(const ModelConfig& config, uint64_t seed, at::Device device);

}  // namespace replicate
