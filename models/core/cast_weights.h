#pragma once

#include "models/core/weights.h"

namespace replicate {

/// The same weights with matrices, and the biases added to their products, in another type; gains, embedding and head
/// stay in float32, and so does the residual stream. Products are then computed in that type.
std::shared_ptr<WeightSource> cast_weights(std::shared_ptr<const WeightSource> source, at::ScalarType type);

/// A block's weights in float32, whatever their type.
BlockWeights widened(BlockWeights weights);

}  // namespace replicate
