#pragma once

// What the survey and most claims look at: attention to a position, and norms of the residual stream.

#include "harness/record/survey.h"
#include "models/core/watch.h"

namespace replicate {

/// Attention to these keys, mean over heads: [B, C, T] per layer, C in the order of `keys` (sorted, unique).
std::shared_ptr<Watch> watch_columns(std::vector<int64_t> keys);

/// Mean over queries key < q < length of a column [..., T]: [...].
Tensor attention_to(const Tensor& column, int64_t key, int64_t length);

/// What uniform attention would give there: mean over the same queries of 1 / (q + 1).
double uniform_attention(int64_t key, int64_t length);

/// (a - u) / (1 - u): 0 for uniform attention, 1 when every query looks only there.
Tensor excess_attention(const Tensor& column, int64_t key, int64_t length);

/// Mean over the listed layers (counted from 1) of [B, L, ...].
Tensor mean_over_layers(const Tensor& by_layer, const std::vector<int64_t>& layers);

/// Norms of the residual stream per layer input and at its end: [B, 3] = position 0, mean over the
/// positions >= 1, median over the positions >= 1.
std::shared_ptr<Watch> watch_norms();

/// The series that find_sinks wants, one row a sequence, to be averaged and resampled together: [B, L + 2 (L + 1)]
/// = excess [B, L], then first and median norms of norms [B, L + 1, 3].
Tensor pack_sink_series(const Tensor& excess, const Tensor& norms);

/// The same after averaging over sequences.
struct SinkSeries {
  std::span<const double> excess, first_norm, rest_norm;
  SinkSeries(std::span<const double> packed, int64_t layers);
  SinkProfile profile(double sink_excess) const { return find_sinks(excess, first_norm, rest_norm, sink_excess); }
};

}  // namespace replicate
