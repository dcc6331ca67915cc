#pragma once

// Where tensors meet the CUDA kernels of models/cuda, which know nothing of LibTorch. Built with REPLICATE_CUDA where
// nvcc is found; without it `kCudaKernels` is false and nothing here but the checks is defined.

#include "models/core/attention.h"

namespace replicate {

#ifdef REPLICATE_CUDA_KERNELS
constexpr bool kCudaKernels = true;
#else
constexpr bool kCudaKernels = false;
#endif

/// Whether the kernels take what they are given: float32 or bfloat16 ..
inline bool cuda_kernels_take(at::ScalarType type) {
  return kCudaKernels && (type == at::kFloat || type == at::kBFloat16);
}

/// .. on a GPU.
inline bool cuda_kernels_take(const Tensor& x) { return x.is_cuda() && cuda_kernels_take(x.scalar_type()); }

/// For attend_cuda: heads of width 32, 64 or 128, a positive scale and softmax over all keys up to the query, but for
/// single masked rows.
inline bool cuda_kernels_take(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec) {
  const auto width = q.size(-1);
  return cuda_kernels_take(q) && k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type() &&
         (width == 32 || width == 64 || width == 128) && spec.scale > 0 && !spec.identity && !spec.sigmoid_bias &&
         !spec.window;
}

/// As attend_plain. Masked rows are made again by plain operations, so that all others have the same bits as without
/// masks. Under bfloat16 probabilities are rounded before they weigh the values; statistics are float32 throughout.
AttentionResult attend_cuda(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                            const AttentionNeeds& needs);

// These have gradients.

/// x [..., D] / sqrt(mean x^2 + eps) * gain [D] (float32), rounded to `type`, float32 or bfloat16.
Tensor cuda_rms_norm(const Tensor& x, const Tensor& gain, double eps, at::ScalarType type);

/// sum = x + branch, float32, and its RMSNorm rounded to the type of the branch, float32 or bfloat16: what lies between
/// attention and FFN. All [..., D].
struct SumAndNorm {
  Tensor sum, normed;
};
SumAndNorm cuda_add_rms_norm(const Tensor& x, const Tensor& branch, const Tensor& gain, double eps);

/// As fused_cross_entropy: float32 from logits [N, P], of which the first `ids` columns count and the others get no
/// gradient. The backward pass overwrites the logits with their gradient, so that they must not be read after it, and
/// it can run once only. A target outside 0..ids-1 makes the loss NaN.
Tensor cuda_cross_entropy(const Tensor& logits, const Tensor& targets, int64_t ids);

// What fused.cpp's RoPE and SwiGLU call, forward and backward; into what the caller made.

/// Rows of x [B, n, T, K], turned forward (direction 1) or back (-1), into y.
void cuda_rotary(const Tensor& x, const Tensor& cosine, const Tensor& sine, const Tensor& y, float direction);

/// All of one type and shape [..., F].
void cuda_swiglu(const Tensor& gate, const Tensor& up, const Tensor& y);
void cuda_swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& gradient, const Tensor& dgate,
                          const Tensor& dup);

}  // namespace replicate
