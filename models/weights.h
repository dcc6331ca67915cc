#pragma once

#include <filesystem>

#include "models/config.h"
#include "models/torch.h"

namespace replicate {

class GgufFile;

/// One block's weights in float32, rows as outputs (y = x W^T). Q and K are in half-split RoPE order.
struct BlockWeights {
  Tensor attention_norm;  // [D]
  Tensor query;           // [H K, D]
  Tensor key;             // [G K, D]
  Tensor value;           // [G K, D]
  Tensor output;          // [D, H K]
  Tensor ffn_norm;        // [D]
  Tensor gate;            // [F, D]
  Tensor up;              // [F, D]
  Tensor down;            // [D, F]
  Tensor head_norm = {};    // [K], where the configuration has head_rms_norm
  Tensor output_gate = {};  // [H K, D], where it has output_gate
};

/// Where weights come from. The executor acquires a block, runs every lane through it and lets go, so
/// memory holds one block at a time whatever the size of the model.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual BlockWeights block(int64_t layer) const = 0;          ///< layer in 1..L
  virtual Tensor embed(const Tensor& ids) const = 0;            ///< [B, T] int64 -> [B, T, D]
  virtual Tensor final_norm() const = 0;                        ///< [D]
  virtual Tensor head() const = 0;                              ///< [V, D]
  virtual void release(int64_t layer) const { (void)layer; }    ///< the block is not needed any more
};

/// Weights of a memory-mapped GGUF file, decoded to float32 as they are acquired. Checks that every
/// tensor is there with the shape the configuration says before anything runs.
std::shared_ptr<WeightSource> gguf_weights(std::shared_ptr<const GgufFile> file,
                                           const ModelConfig& config, at::Device device);

/// The null model: a configuration with fresh weights, normal with standard deviation 0.02 and
/// 0.02 / sqrt(2 L) for the two projections that write into the residual stream (GPT-2's scheme,
/// which Llama trainers commonly use), gains at 1. The same seed gives the same weights, layer by layer.
std::shared_ptr<WeightSource> random_weights(const ModelConfig& config, uint64_t seed,
                                             at::Device device);

}  // namespace replicate
