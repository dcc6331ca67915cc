#pragma once

// SwiGLU's hidden layer (Shazeer 2020, "GLU Variants Improve Transformer"): silu(gate) up with silu(g) = g sigmoid(g),
// in one pass each way. Element is float or Bfloat16, arithmetic float32. Plain pointers, no LibTorch. Errors:
// cudaErrorInvalidValue for no rows or no width, or CUDA's own.

#include "models/cuda/runtime.h"

namespace replicate::cuda {

/// N rows of F that may lie apart, as the halves of one product [N, 2 F] do: stride in elements.
template <typename Element>
struct Rows {
  Element* data = nullptr;
  int64_t stride = 0;
};

/// hidden = silu(gate) up, each [rows, width].
template <typename Element>
cudaError_t swiglu(Rows<const Element> gate, Rows<const Element> up, Rows<Element> hidden, int64_t rows, int64_t width,
                   cudaStream_t stream);

/// dgate = d up (s + g s (1 - s)), dup = d g s with d = dhidden, s = sigmoid(g). dgate may be gate, and dup up.
template <typename Element>
cudaError_t swiglu_backward(Rows<const Element> gate, Rows<const Element> up, Rows<const Element> dhidden,
                            Rows<Element> dgate, Rows<Element> dup, int64_t rows, int64_t width, cudaStream_t stream);

}  // namespace replicate::cuda
