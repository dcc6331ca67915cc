#pragma once

// Residual addition and RMSNorm over the model's width D in one pass each way (Zhang and Sennrich 2019). The residual
// stream is float32, branch and normed values are Element: float or Bfloat16. Plain pointers to contiguous rows, no
// LibTorch. Errors: cudaErrorInvalidValue for no rows or no width, or a branch without a sum; or CUDA's own.

#include "models/cuda/runtime.h"

namespace replicate::cuda {

/// sum = x + branch, y = sum / sqrt(mean sum^2 + eps) * gain. Without branch and sum (null) y is the norm of x.
template <typename Element>
struct ResidualNorm {
  const float* x;         // [N, D]
  const Element* branch;  // [N, D] or null
  const float* gain;      // [D]
  float* sum;             // [N, D] or null; may be x
  Element* y;             // [N, D]
  float* inverse;         // [N] or null: 1 / sqrt(..), for the backward pass
  int64_t rows;           // N
  int width;              // D
  float eps;
};

template <typename Element>
cudaError_t rms_norm(const ResidualNorm<Element>& norm, cudaStream_t stream);

/// Floats of workspace that the backward pass needs.
int64_t rms_norm_workspace(int64_t rows, int width);

/// Gradients; that of the gain is summed in an order that the shapes alone decide.
template <typename Element>
struct ResidualNormGradient {
  const float* sum;      // [N, D] what was normed
  const float* gain;     // [D]
  const float* inverse;  // [N]
  const Element* dy;     // [N, D]
  const float* dsum;     // [N, D] or null: from those who read the sum itself
  float* dx;             // [N, D]; may be dsum
  Element* dbranch;      // [N, D] or null: the same as dx
  float* dgain;          // [D]
  float* workspace;      // [rms_norm_workspace]
  int64_t rows;          // N
  int width;             // D
};

template <typename Element>
cudaError_t rms_norm_backward(const ResidualNormGradient<Element>& norm, cudaStream_t stream);

}  // namespace replicate::cuda
