#pragma once

// What the super neurons of a spike write at position 0, and what they may write instead. Every edit acts in the
// spike's layer and at position 0 alone, so a claim about several stages edits the writers of all their spikes.

#include "harness/study/claim.h"

namespace replicate {

using EditOfSpike = std::function<Patch(const StageWriters& writers)>;

/// The same edit at each spike of the stage.
std::vector<Patch> at_each_spike(const Stage& stage, const EditOfSpike& edit);

/// They write nothing.
Patch zero_write(const StageWriters& writers);
/// They write as with their mean activation over the other positions of the same sequence. `untouched`: that pass.
EditOfSpike mean_over_positions(Run untouched, int64_t length);
/// They write as with their mean activation at position 0 over all sequences.
EditOfSpike mean_over_texts(Run untouched);
/// Their columns of W_down point into random dense directions: one random rotation per sequence, which keeps the norms
/// of the columns and the angles between them.
EditOfSpike densify(const Condition& on, uint64_t seed);
/// Their columns of W_down point along one other dimension each, with the same norm: drawn per sequence from the
/// dimensions that the stage's first sink layer reads about as strongly. Columns that are largest in one dimension get
/// the same one.
EditOfSpike relocate(const Condition& on, const Stage& stage, uint64_t seed);

/// Whether each dimension that the super neurons write to has another one for `relocate`.
bool can_relocate(const Condition& on, const Stage& stage);

/// After `before`, spike by spike: the residual stream at `position` leaves the spike's layer moved in a random
/// direction, new per sequence, the claim's parameter `random_vector_length` times as far as `edit` moves it. At its
/// whole length a random vector would shrink what is written to 0.7 of its share of the normalised residual stream,
/// which costs much of a sink even where nothing but that write makes it.
std::vector<Patch> random_vectors(Claim& claim, const Condition& on, const Stage& stage, int64_t position,
                                  std::vector<Patch> before, const EditOfSpike& edit);

/// A note where no neuron meets the rule of a super neuron and the largest stand in.
void note_stand_ins(const Stage& stage, Measure& measure);

}  // namespace replicate
