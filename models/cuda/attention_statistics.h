#pragma once

// Causal grouped-query softmax attention on a GPU, with the statistics of its probabilities A[b, h, q, k]: no T x T
// tensor, and results that do not depend on how blocks are scheduled (no atomics). Queries see all keys up to their
// own: windows, masked rows, identity and sigmoid attention are attend_plain's. Plain pointers, no LibTorch.
//
// Forward pass: Dao et al. 2022, "FlashAttention", algorithm 1; statistics: online_softmax.h.

#include <span>

#include "models/cuda/runtime.h"

namespace replicate::cuda {

/// B sequences, T positions, H query heads, G key/value heads (head h reads h G / H), K head width.
template <typename Element>
struct AttentionInputs {
  Strided<const Element> q;     // [B, H, T, K]
  Strided<const Element> k, v;  // [B, G, T, K]
  int64_t batch = 0, length = 0;
  int heads = 0, kv_heads = 0, width = 0;
  float scale = 1;  ///< of scores, usually 1 / sqrt(K)
};

/// Whether attention_forward takes them: K is 32, 64 or 128, G divides H, rows begin at multiples of 16 bytes, the
/// scale is positive.
template <typename Element>
bool attention_takes(const AttentionInputs<Element>& inputs);

/// Contiguous; null where not wanted.
template <typename Element>
struct AttentionOutputs {
  Element* output = nullptr;     // [B, T, H, K]
  float* log_sum_exp = nullptr;  // [B, H, T]  of scaled scores
  float* entropy = nullptr;      // [B, H, T]  nats
  float* sum_squares = nullptr;  // [B, H, T]  sum_k A^2
};

// Element is float or Bfloat16; products of bfloat16 run on tensor cores, sums are float32 in both. Under bfloat16 the
// probabilities are rounded to it (relative 2^-9) before they weigh the values; statistics are not. Errors:
// cudaErrorInvalidValue for what attention_takes refuses, or CUDA's own.

/// Output and statistics of rows; 4 K T^2 / 2 operations a head.
template <typename Element>
cudaError_t attention_forward(const AttentionInputs<Element>& inputs, const AttentionOutputs<Element>& outputs,
                              cudaStream_t stream);

/// received [B, H, T]: the sum over queries q > k of A[q, k], from forward's log_sum_exp; v is not read. Queries are
/// summed in their order. 2 K T^2 / 2 operations a head.
template <typename Element>
cudaError_t attention_received(const AttentionInputs<Element>& inputs, const float* log_sum_exp, float* received,
                               cudaStream_t stream);

/// columns [B, H, T, C] = A[q, keys[c]], zero where the key lies ahead; keys [C] in the processor's memory, each in
/// 0..T-1.
template <typename Element>
cudaError_t attention_columns(const AttentionInputs<Element>& inputs, const float* log_sum_exp,
                              std::span<const int64_t> keys, float* columns, cudaStream_t stream);

/// rows [B, H, R, T] = A[queries[r], k], zero ahead of the query; queries [R] in the processor's memory, each in
/// 0..T-1.
template <typename Element>
cudaError_t attention_rows(const AttentionInputs<Element>& inputs, const float* log_sum_exp,
                           std::span<const int64_t> queries, float* rows, cudaStream_t stream);

}  // namespace replicate::cuda
