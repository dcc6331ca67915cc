#pragma once

#include "models/core/weights.h"
#include "models/formats/description.h"
#include "models/formats/tensor_store.h"

namespace replicate {

/// Where a block's weight lies: rows of a tensor, or entries of a vector, from `first` on; where `stride` is given, the
/// first `group` of every `stride`. A transposed tensor has them as columns.
struct StoredRows {
  Tensor BlockWeights::*weight;
  std::string tensor;          ///< its whole name
  std::vector<int64_t> shape;  ///< of the weight
  int64_t first = 0;           ///< row
  int64_t tensor_rows = 0;     ///< of the whole tensor; a vector's length
  int64_t group = 0, stride = 0;
  bool transposed = false;

  std::vector<int64_t> tensor_shape() const;  ///< of the whole tensor, as it is stored
};
std::vector<StoredRows> stored_block(const ModelConfig& config, const Storage& storage, int64_t layer);

/// The names of the tensors that belong to no block.
struct OuterNames {
  std::string embedding, final_norm, head;
  std::string final_norm_bias = {};
  std::string positions = {};
};
OuterNames outer_names(const Storage& storage);

/// Weights of a memory-mapped model, decoded to float32 as they are acquired. Error unless every tensor is there with
/// the shape that the configuration says, and no other one is: a bias that is passed over would give wrong numbers
/// without a word.
std::shared_ptr<WeightSource> stored_weights(std::shared_ptr<const TensorStore> store, const ModelConfig& config,
                                             const Storage& storage, at::Device device);

}  // namespace replicate
