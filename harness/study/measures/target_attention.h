#pragma once

// What is observed of a target position k, beside position 0.

#include "harness/study/claim.h"
#include "models/core/watch.h"

namespace replicate {

/// Attention of one pass to positions 0 and k.
struct TargetAttention {
  int64_t target = 0, length = 0;
  std::shared_ptr<Watch> columns;  // [B, L, 2, T], mean over heads

  // Mean over the queries after k.
  Tensor to_first() const;                ///< [B, L]
  Tensor to_target() const;               ///< [B, L]
  Tensor to_first(int64_t layer) const;   ///< [B]
  Tensor to_target(int64_t layer) const;  ///< [B]
};

/// `only`: the layers to look in; all when empty.
TargetAttention watch_target(Run run, const Condition& on, int64_t target, std::vector<int64_t> only = {});

/// 1 for sequences in which this attention to the target [B] makes it a sink, as the survey's layers are (its
/// sink_excess); 0 for others: [B].
Tensor has_sink(const Tensor& attention, const TargetAttention& pass, double sink_excess);

/// Norm of the residual stream at one position: [B, L + 1].
std::shared_ptr<Watch> watch_norm_at(int64_t position);

}  // namespace replicate
