// If what the super neurons of a spike write makes the sink, then taking it away at position 0 has to take the sink
// away. Two edits would refute the paper's account if the sink neither disappeared nor shifted: to remove the
// down-projections, which is this claim, and to densify them, which is falsification_densify.
// Removal is the attention to position 0 that the edit takes, over the stage's sink layers. Control: at position 0,
// from the residual stream after the spike, a random vector is taken that is half as long as what the super neurons
// write.
// Cost: one forward pass, and two that cost the layers from the spike on.
// experiments/described/edits_of_writes.cpp tables the other edits.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_under_edits.h"
#include "harness/study/measures/super_neuron_writes.h"

namespace replicate {
namespace {

void falsification(Claim& claim) {
  const auto stage = claim.stage();
  const auto on = claim.primary();
  const auto observe = [&](std::vector<Patch> patches) {
    return watch_sink(claim.run(on, std::move(patches)), on, stage.sinks, claim.parameters.integer("queries"),
                      claim.survey.sink_excess);
  };
  const auto untouched = observe({});
  const auto zero = observe(at_each_spike(stage, zero_write));
  const auto random = observe(random_vectors(claim, on, stage, 0, {}, zero_write));
  claim.report([=](Measure& measure) {
    measure.judged("removal_zero_beyond_half", on, removal_beyond_half(untouched, zero));
    measure.judged("removal_zero", on, removal(untouched, zero));
    measure.judged("removal_random_vector", on, removal(untouched, random));
    measure.ratio("removed_share_zero", on, removal(untouched, zero), untouched.to_first());
    note_shift("the super neurons' output is removed", untouched, zero, measure);
    note_stand_ins(stage, measure);
  });
}

REPLICATE_CLAIM(falsification, "judged_on", "natural", "random", "queries", "random_vector_length");

}  // namespace
}  // namespace replicate
