// If the sink needs a down-projection that is sparse over channels, then the same norm in a random dense direction has
// to take the sink away: the second of two edits that could refute the paper's account (falsification has the
// first). At position 0 the columns of W_down that belong to the super neurons are turned by a random
// rotation, new per sequence, so that their norms and the angles between them stay and their sparsity goes.
// Control: what the dense direction takes beyond what removing the write takes. A large foreign vector may cost the
// sink where the sparse one is not needed, and that says nothing of sparsity. Check: position 0's dominance falls to at
// most twice that of the other positions. Cost: one forward pass, and two that cost the layers from the spike on.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_under_edits.h"
#include "harness/study/measures/super_neuron_writes.h"

namespace replicate {
namespace {

void falsification_densify(Claim& claim) {
  const auto stage = claim.stage();
  const auto on = claim.primary();
  const auto observe = [&](std::vector<Patch> patches) {
    return watch_sink(claim.run(on, std::move(patches)), on, stage.sinks, claim.parameters.integer("queries"),
                      claim.survey.sink_excess);
  };
  const auto untouched = observe({});
  const auto dense = observe(at_each_spike(stage, densify(on, claim.seed)));
  const auto zero = observe(at_each_spike(stage, zero_write));
  claim.report([=](Measure& measure) {
    const auto taken = removal(untouched, dense);
    measure.judged("removal_densify_beyond_half", on, removal_beyond_half(untouched, dense));
    measure.judged("removal_densify", on, taken);
    measure.judged("removal_densify_beyond_zero", on, taken - removal(untouched, zero));
    measure.value("dominance_to_rest_densify", on, dense.dominance_to_rest());
    measure.value("dominance_to_rest", on, untouched.dominance_to_rest());
    measure.ratio("removed_share_densify", on, taken, untouched.to_first());
    note_shift("the super neurons write in a dense direction", untouched, dense, measure);
    note_stand_ins(stage, measure);
  });
}

REPLICATE_CLAIM(falsification_densify, "judged_on", "natural", "random", "queries");

}  // namespace
}  // namespace replicate
