#pragma once

// Causal grouped-query attention that returns its output and, from the same pass, the statistics of its
// probabilities A[b, h, q, k]. No T x T tensor is ever held: scratch is one block of query rows.

#include "models/core/torch.h"

namespace replicate {

/// Position `query` sees only `keys` (each <= query). One list for all sequences, or one per sequence.
struct MaskedRow {
  int64_t query = 0;
  std::vector<std::vector<int64_t>> keys;
  bool operator==(const MaskedRow&) const = default;
};

struct AttentionSpec {
  double scale = 1;                         ///< usually 1 / sqrt(K)
  bool identity = false;                    ///< every position sees only itself
  std::optional<double> sigmoid_bias = {};  ///< sigmoid(score + bias) in place of softmax: rows do not sum to one
  std::optional<int64_t> window = {};       ///< a query sees so many positions, itself the last; all unless given
  std::vector<MaskedRow> rows = {};         ///< at most one per query, taken as they are whatever the window
};

/// What to collect besides the output. Nothing asked for: nothing computed.
struct AttentionNeeds {
  std::vector<int64_t> columns = {};  ///< keys whose probabilities are kept for every query
  std::vector<int64_t> rows = {};     ///< queries whose probabilities are kept for every key
  bool received = false;
  bool entropy = false;
  bool sum_squares = false;
  bool total = false;

  bool any() const { return !columns.empty() || !rows.empty() || received || entropy || sum_squares || total; }
};

/// float32 on the device of q; undefined where not asked for.
struct AttentionStatistics {
  AttentionNeeds needs;
  Tensor columns;      // [B, H, T, C]  A[q, columns[c]], zero where the key lies ahead of the query
  Tensor rows;         // [B, H, R, T]  A[rows[r], k]
  Tensor received;     // [B, H, T]     sum over q > k of A[q, k]
  Tensor entropy;      // [B, H, T]     -sum_k A log A, nats
  Tensor sum_squares;  // [B, H, T]     sum_k A^2
  Tensor total;        // [B, H, T]     sum_k A: one, but for sigmoid attention

  Tensor column(int64_t key) const;  ///< A[:, :, :, key] as [B, H, T]; key must be among needs.columns
  Tensor row(int64_t query) const;   ///< A[:, :, query, :] as [B, H, T]; query must be among needs.rows
};

struct AttentionResult {
  Tensor output;  // [B, T, H, K]: the layout W_O reads
  AttentionStatistics statistics;
};

/// q [B, H, T, K], k and v [B, G, T, K], G divides H (head h uses KV head h G / H, counted from 0).
/// Softmax over CPU float32 without autograd takes the fast path (attention_cpu.cpp); with autograd it is
/// attend_training, without statistics; on a GPU it is attend_cuda (cuda_glue.h) where that takes the tensors;
/// anything else is the plain one. The choice depends on the tensors and the kind of attention alone, never on
/// what is asked for: a lane's numbers must not change with who looks at it.
AttentionResult attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                       const AttentionNeeds& needs);

/// The twin in plain LibTorch operations, for any device and dtype, blocked over queries in the same way.
AttentionResult attend_plain(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                             const AttentionNeeds& needs);

/// The fast path: one blocked, vectorised, threaded pass over float32 CPU tensors.
AttentionResult attend_cpu(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                           const AttentionNeeds& needs);

/// For training: gradients, no statistics, no masked rows, O(T) memory in both directions. Softmax by LibTorch's
/// fused attention; sigmoid by query blocks that the backward pass computes again. Output [B, T, H, K].
Tensor attend_training(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec);

/// Zeroed tensors for what is needed, on the device of q [B, H, T, K].
AttentionStatistics make_statistics(const Tensor& q, const AttentionNeeds& needs);

}  // namespace replicate
