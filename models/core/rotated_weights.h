#pragma once

#include "models/core/weights.h"

namespace replicate {

/// The same function in another basis of the residual stream. With row vectors the stream h becomes h Q, Q a random
/// orthogonal matrix [D, D] drawn from `seed`: what reads the stream becomes W diag(g) Q (g the gain of the RMSNorm
/// before it), what writes it Q^T W, the embedding E Q, and every gain 1. RMSNorm without gain commutes with Q, so
/// attention and logits stay what they were; no dimension of the stream keeps its meaning. Computed in
/// float64, then each weight has the type that it had: 2 D operations per weight whenever a block is acquired. Error
/// when a norm stands after attention or FFN: its gains cannot be folded into anything (can_be_rotated).
bool can_be_rotated(const ModelConfig& config);
std::shared_ptr<WeightSource> rotated_weights(std::shared_ptr<const WeightSource> source, const ModelConfig& config,
                                              uint64_t seed);

}  // namespace replicate
