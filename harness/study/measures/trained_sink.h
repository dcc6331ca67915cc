#pragma once

// The sink of a trained model by layer: how much it attends to position 0, and how few dimensions carry that position's
// vector.

#include "harness/study/claim.h"
#include "models/core/watch.h"

namespace replicate {

/// Means over sequences; L values each. Where the rows of attention need not sum to one (sigmoid), attention is
/// relative to its row's sum, over the rows that sum to at least 0.001; "raw" is attention as it is.
struct SinkByLayer {
  std::vector<double> attention, excess;  ///< NaN in a layer without such rows
  std::vector<double> raw_attention, raw_excess;
  std::vector<double> rows_kept;  ///< share of rows
  std::vector<double> dominance;  ///< of position 0 at the layer's input

  double largest_excess() const;  ///< of any layer that has one; NaN without
  double mean_dominance() const;  ///< over layers
  double least_rows_kept() const;
};

/// What is observed of one model.
class TrainedSink {
 public:
  TrainedSink(TrainingClaim& claim, const TrainedModel& kept, const Tokens& tokens);
  SinkByLayer by_layer() const;  ///< once the passes are over

 private:
  std::shared_ptr<Watch> attention_;  // [B, L, 4]
  std::shared_ptr<Watch> dominance_;  // [B, L]
  int64_t length_;
};

/// Of the last model of each run.
BySeed<TrainedSink> last_sinks(TrainingClaim& claim, std::span<const TrainedRun> runs, const Tokens& tokens);

}  // namespace replicate
