#pragma once

// Operations that LibTorch makes of many passes over memory, in one pass (each way, where a gradient is wanted):
// float32 on a CPU, and what the CUDA kernels take. Everything else takes the plain operations, which also say what
// these must compute (tests/models/core/fused_test.cpp, tests/models/core/cuda_test.cpp).

#include "models/core/cuda_glue.h"

namespace replicate {

/// Whether x is what the fused operations take.
inline bool is_fused(const Tensor& x) { return (x.is_cpu() && x.scalar_type() == at::kFloat) || cuda_kernels_take(x); }

/// x, copied where its last dimension has gaps.
inline Tensor with_whole_rows(const Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

/// For backward passes that make numbers and no graph.
inline void refuse_second_derivative() {
  TORCH_CHECK(!c10::GradMode::is_enabled(), "the fused operations have no second derivative");
}

/// x [..., D] / sqrt(mean x^2 + eps) * gain [D] in float32. The gradient of the gain is summed in a fixed order,
/// whatever the number of threads.
Tensor fused_rms_norm(const Tensor& x, const Tensor& gain, double eps);

/// Heads x [B, n, T, K], strided as they come, with the pairs (i, i + W/2) of their first W dimensions turned by the
/// angles of tables [T, W]: contiguous [B, n, T, K]. Its gradient lies as [B, T, n, K], as W_Q and W_K read it.
Tensor fused_rotary(const Tensor& x, const Tensor& cosine, const Tensor& sine);

/// silu(gate) up: [..., F].
Tensor fused_swiglu(const Tensor& gate, const Tensor& up);

/// Mean over N rows of -log softmax(logits)[target], nats: logits [N, V], targets [N] int64 in 0..V-1. The forward
/// pass leaves the gradient behind, so that the logits are read once; on a GPU see cuda_cross_entropy.
Tensor fused_cross_entropy(const Tensor& logits, const Tensor& targets);

}  // namespace replicate
