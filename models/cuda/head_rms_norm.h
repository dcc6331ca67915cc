#pragma once

// RMSNorm over the width K of each head (Zhang and Sennrich 2019; of head outputs: the paper's head-wise RMSNorm; of
// queries and keys: Qwen 3), in the contiguous layout [B, T, H, K]: N = B T H rows of K. Some lanes take a row; sums
// are float32. Element is float or Bfloat16. Errors: cudaErrorInvalidValue for no rows or no width, or CUDA's own.

#include "models/cuda/runtime.h"

namespace replicate::cuda {

/// y [N, K] = x / sqrt(mean x^2 + eps) * gain [K]; inverse [N] or null: 1 / sqrt(..), for the backward pass.
template <typename Element>
cudaError_t head_rms_norm(const Element* x, const float* gain, Element* y, float* inverse, int64_t rows, int width,
                          float eps, cudaStream_t stream);

/// Floats of workspace that the backward pass needs.
int64_t head_rms_norm_workspace(int64_t rows, int width);

/// dx [N, K] and dgain [K] from dy [N, K]; dgain is summed in an order that the shapes alone decide.
template <typename Element>
cudaError_t head_rms_norm_backward(const Element* x, const float* gain, const float* inverse, const Element* dy,
                                   Element* dx, float* dgain, float* workspace, int64_t rows, int width,
                                   cudaStream_t stream);

}  // namespace replicate::cuda
