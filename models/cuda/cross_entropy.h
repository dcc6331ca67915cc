#pragma once

// Cross-entropy of a language model, loss_i = log sum_j exp x_ij - x_i,target(i), in nats. The forward pass reads the
// logits once (online softmax), the backward pass overwrites them with their gradient: there is never a second tensor
// [N, V], nor one in float32. Element is float or Bfloat16, arithmetic float32. Plain pointers to contiguous rows, no
// LibTorch. Errors: cudaErrorInvalidValue for no rows or no ids, or CUDA's own.

#include "models/cuda/runtime.h"

namespace replicate::cuda {

/// Logits as they lie in memory: [N, P], of which the first V of a row are those of ids. What is after them, P - V
/// columns that a product wanted for its own sake, is not looked at, and has no gradient.
struct LogitRows {
  int64_t rows = 0;   ///< N
  int64_t ids = 0;    ///< V
  int64_t pitch = 0;  ///< P
};

/// losses [N] and log_sum_exp [N] of logits [N, P], targets [N] int64. A target outside 0..V-1 makes its loss NaN.
template <typename Element>
cudaError_t cross_entropy(const Element* logits, const int64_t* targets, float* losses, float* log_sum_exp,
                          const LogitRows& shape, cudaStream_t stream);

/// logits [N, P] become *scale * weight * (softmax(logits) - one-hot(target)), zero after the ids; scale is one float
/// on the device, the gradient that the loss has received. For the mean over N rows weight is 1 / N.
template <typename Element>
cudaError_t cross_entropy_backward(Element* logits, const int64_t* targets, const float* log_sum_exp,
                                   const float* scale, float weight, const LogitRows& shape, cudaStream_t stream);

}  // namespace replicate::cuda
