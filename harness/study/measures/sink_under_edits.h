#pragma once

// Where the sink is and how large, when what a few hidden neurons write is edited at some positions: shared by the
// claim falsification and what is described around it.

#include "harness/study/claim.h"
#include "models/core/watch.h"

namespace replicate {

/// The neurons of a layer write nothing at these positions. Error when no neuron is named, which would mean all.
Patch zero_neurons(int64_t layer, const std::vector<int64_t>& neurons, const std::vector<int64_t>& positions);

std::vector<int64_t> all_but_the_first(int64_t length);  ///< positions 1..length-1

/// One pass and what is observed of its sink.
struct SinkUnderEdit {
  std::string suffix;                // of its metrics: "" untouched, "_zero", "_mean_elsewhere", ...
  std::shared_ptr<Watch> received;   // [B, L, C] mean attention to each column
  std::shared_ptr<Watch> dominance;  // [B, L] max|h| / mean|h| of position 0

  Tensor to_first() const { return received->layers().select(2, 0); }  ///< [B, L]
  Tensor largest() const { return received->layers().amax(2); }        ///< [B, L]
};

/// Declares a pass. Attention to a column is that of the later queries; a column counts when at least `queries` of them
/// see it.
SinkUnderEdit edit_sink(Claim& claim, const Condition& on, const std::string& suffix, std::vector<Patch> patches);

/// Its series by layer, and its metrics over the layers of the stage's sink: attention to position 0, with its drop
/// from the untouched pass (null for that pass itself), and, unless the edit leaves position 0's neurons alone, which
/// position gets most.
void report_edit(const Condition& on, const SinkUnderEdit& edit, const SinkUnderEdit* untouched,
                 const std::vector<int64_t>& layers, Measure& measure);

/// A note on the layers that have a sink at position 0 all the same. `what` was zeroed.
void note_what_is_left(const Condition& on, const SinkUnderEdit& edit, const std::string& what, Measure& measure);

}  // namespace replicate
