#pragma once

// Statistics of a whole population of sequences (variances, mean cosines), which are no means of per-sequence
// values. Everything they need is in one B x B matrix of inner products, so that 2,000 resamples cost little.
// Weights [R, B] say how much each sequence counts in each resample; rows sum to 1. A sequence drawn twice is never
// compared with its own copy.

#include "models/core/torch.h"

namespace replicate {

/// x [B, X] -> [B, B] float64.
Tensor inner_products(const Tensor& x);

/// Unbiased variance over sequences, summed over the X dimensions after `products`: [R].
Tensor population_variance(const Tensor& weights, const Tensor& products);

/// Mean inner product of two different sequences (of unit vectors: the mean pairwise cosine): [R].
Tensor mean_pairwise(const Tensor& weights, const Tensor& products);

}  // namespace replicate
