#pragma once

// What two lanes on the same tokens hold in the same place, compared batch by batch: for differences that are no
// differences of means.

#include <map>

#include "models/core/probe.h"

namespace replicate {

/// Shared by a probe in the untouched lane and one in the changed lane. The executor runs both batch by batch, so that
/// one batch waits here; a whole layer waits where one lane carries a recording that the other reads.
class LaneComparison {
 public:
  /// Both values [b, ...] -> [b, ...].
  using Compare = std::function<Tensor(const Tensor& untouched, const Tensor& changed)>;
  explicit LaneComparison(Compare compare) : compare_(std::move(compare)) {}

  void bring(bool changed, int64_t layer, int64_t first_sequence, const Tensor& value);

  /// All observed layers in order: [B, layers, ...] float64 on the CPU.
  Tensor layers() const;

 private:
  Compare compare_;
  std::map<std::pair<int64_t, int64_t>, Tensor> waiting_;  // by layer and first sequence
  std::map<int64_t, std::vector<Tensor>> results_;
};

/// Brings these rows of attention: [b, H, R, T].
std::shared_ptr<Probe> rows_for(std::shared_ptr<LaneComparison> comparison, bool changed, std::vector<int64_t> queries);

/// Brings, in these layers (sorted), these rows of attention and the same rows times the norms of the value vectors
/// that they weigh: [b, 2, H, R, T].
std::shared_ptr<Probe> weighted_rows_for(std::shared_ptr<LaneComparison> comparison, bool changed,
                                         std::vector<int64_t> layers, std::vector<int64_t> queries);

}  // namespace replicate
