#pragma once

// Where the sink is and how large, when something is edited at position 0: shared by the claims that edit what super
// neurons write there.

#include "harness/study/claim.h"
#include "models/core/watch.h"

namespace replicate {

std::vector<int64_t> all_but_the_first(int64_t length);  ///< positions 1..length-1

/// One pass and what is observed of its sink, over the layers of the stage.
struct SinkUnderEdit {
  int64_t length = 0;
  std::vector<int64_t> layers;       ///< the stage's sink layers
  double sink_excess = 0;            ///< excess attention from which on a position is a sink
  std::shared_ptr<Watch> received;   ///< [B, L, C] mean attention, over heads and later queries, to each column
  std::shared_ptr<Watch> dominance;  ///< [B, L, 2] of the layers' inputs: position 0's, and the mean of the others'

  Tensor to_first() const;           ///< attention to position 0: [B]
  Tensor excess() const;             ///< excess attention to each column: [B, C]
  Tensor largest_column() const;     ///< attention to the column that gets most: [B]
  double dominance_to_rest() const;  ///< position 0's over the others', means over sequences and layers
};

/// A column counts when at least so many later queries see it. `sink_excess`: the survey's.
SinkUnderEdit watch_sink(Run run, const Condition& on, const std::vector<int64_t>& layers, int64_t queries,
                         double sink_excess);

/// Attention to position 0 that the edit takes away: [B].
Tensor removal(const SinkUnderEdit& untouched, const SinkUnderEdit& edited);

/// Whether it takes more than half away, as a contrast per sequence: removal - untouched / 2, [B].
Tensor removal_beyond_half(const SinkUnderEdit& untouched, const SinkUnderEdit& edited);

/// The position after the first that became a sink (excess attention of at least `sink_excess` in at least half of the
/// sequences) and was none in the untouched pass. Of several that which gets most.
std::optional<int64_t> shifted_to(const SinkUnderEdit& untouched, const SinkUnderEdit& edited);

/// A note that says whether the sink has shifted, and where to. `edit`: "what the super neurons write is removed".
void note_shift(const std::string& edit, const SinkUnderEdit& untouched, const SinkUnderEdit& edited, Measure& measure);

}  // namespace replicate
