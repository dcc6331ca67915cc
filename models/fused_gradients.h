#pragma once

// Operations of training that LibTorch makes of many passes over memory, in one pass each way: float32 on a CPU,
// with autograd. Everything else takes the plain operations, which also say what these must compute.

#include "models/torch.h"

namespace replicate {

/// Whether x is a float32 CPU tensor whose gradient is wanted.
inline bool is_fused(const Tensor& x) {
  return c10::GradMode::is_enabled() && x.requires_grad() && x.is_cpu() && x.scalar_type() == at::kFloat;
}

/// x [..., D] / sqrt(mean x^2 + eps) * gain [D]. The gradient of the gain is summed in a fixed order, whatever the
/// number of threads.
Tensor fused_rms_norm(const Tensor& x, const Tensor& gain, double eps);

/// Mean over N rows of -log softmax(logits)[target], nats: logits [N, V], targets [N] int64 in 0..V-1. The forward
/// pass leaves the gradient behind, so that the logits are read once.
Tensor fused_cross_entropy(const Tensor& logits, const Tensor& targets);

}  // namespace replicate
