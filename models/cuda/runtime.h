#pragma once

// What the declarations of this folder need of CUDA: a plain C++ compiler can include it, nvcc need not be there. The
// tests compile the same kernels for the processor, on a device that emulator.h plays.

#ifdef REPLICATE_CUDA_EMULATED
#include "models/cuda/emulator.h"
#else
#include <cuda_bf16.h>
#include <cuda_runtime_api.h>
#endif

#include <cstdint>

namespace replicate::cuda {

using Bfloat16 = __nv_bfloat16;

/// A tensor [B, n, T, K] whose last dimension has no gaps: strides in elements.
template <typename Element>
struct Strided {
  Element* data = nullptr;
  int64_t batch = 0, head = 0, position = 0;

#if defined(__CUDACC__)
  __host__ __device__
#endif
      Element*
      row(int64_t b, int64_t h, int64_t t) const {
    return data + b * batch + h * head + t * position;
  }
};

}  // namespace replicate::cuda
