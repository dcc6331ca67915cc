// If the dominant spike's super neurons and what they write make the sink, then taking that away at position 0 has to
// make it go, or move, and taking it away elsewhere must not (what the referee asked for; the paper has no figure of
// it). What the super neurons write is set to zero at position 0. Controls: the same at all other positions, and at
// position 0 as many neurons of that layer that contribute alike at other positions.
// Cost: one forward pass, and three edits that cost the layers from the spike on; twice with random ids.
// experiments/described/other_edits.cpp has the other edits.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_under_edits.h"

namespace replicate {
namespace {

/// The untouched pass, the edit and its two controls.
void compare(Claim& claim, const Condition& on, const DominantStage& stage, bool remarks) {
  const auto& writers = stage.writers;
  const auto zeroed = [&](const std::string& suffix, const std::vector<int64_t>& neurons,
                          const std::vector<int64_t>& positions) {
    return edit_sink(claim, on, suffix, {zero_neurons(writers.layer, neurons, positions)});
  };
  const auto untouched = edit_sink(claim, on, "", {});
  const auto zero = zeroed("_zero", writers.neurons, {0});
  const auto elsewhere = zeroed("_zero_elsewhere", writers.neurons, all_but_the_first(on.length()));
  const auto matched = zeroed("_zero_matched", writers.matched_neurons, {0});
  claim.report([=, layers = stage.sinks](Measure& measure) {
    report_edit(on, untouched, nullptr, layers, measure);
    for (const auto& edit : {zero, elsewhere, matched}) report_edit(on, edit, &untouched, layers, measure);
    if (remarks) note_what_is_left(on, zero, "Super neurons of the dominant spike", measure);
  });
}

void falsification(Claim& claim) {
  const auto stage = claim.dominant_stage();
  compare(claim, claim.primary(), stage, true);
  if (const auto random = claim.condition("random")) compare(claim, *random, stage, false);
}

REPLICATE_CLAIM(falsification, "natural", "random", "queries");

}  // namespace
}  // namespace replicate
