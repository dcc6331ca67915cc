// Is it the sparsity of what the super neurons write, or that very direction? At position 0, and new per sequence, what
// they write keeps its norm and goes into a random dense direction (densify), or into one other dimension that the keys
// of the stage's first sink layer read about as strongly (relocate). If sparsity is what counts, the dense direction
// loses the sink and the other dimension keeps it. If both lose it, the trained direction counts. If both keep it, any
// large constant vector makes a sink.
// Control: what the dense direction takes beyond what removing the write takes, as in falsification_densify: where the
// sink does not need the write, a large foreign vector that costs it says nothing of sparsity. Check: the dense
// direction leaves position 0 no more dominant than twice the others, or another writer has put the spike back. Cost:
// one forward pass, and three that cost the layers from the spike on.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_under_edits.h"
#include "harness/study/measures/super_neuron_writes.h"

namespace replicate {
namespace {

void write_direction(Claim& claim) {
  const auto stage = claim.stage();
  const auto on = claim.primary();
  if (!can_relocate(on, stage)) Claim::unmet("no other dimension is read as strongly as the one that is written to");
  const auto observe = [&](std::vector<Patch> patches) {
    return watch_sink(claim.run(on, std::move(patches)), on, stage.sinks, claim.parameters.integer("queries"),
                      claim.survey.sink_excess);
  };
  const auto untouched = observe({});
  const auto dense = observe(at_each_spike(stage, densify(on, claim.seed)));
  const auto elsewhere = observe(at_each_spike(stage, relocate(on, stage, claim.seed)));
  const auto zero = observe(at_each_spike(stage, zero_write));
  claim.report([=](Measure& measure) {
    const auto taken = removal(untouched, dense);
    measure.judged("removal_densify_beyond_half", on, removal_beyond_half(untouched, dense));
    measure.judged("removal_relocate_beyond_half", on, removal_beyond_half(untouched, elsewhere));
    measure.judged("removal_densify", on, taken);
    measure.judged("removal_densify_beyond_zero", on, taken - removal(untouched, zero));
    measure.ratio("removed_share_densify", on, taken, untouched.to_first());
    measure.ratio("removed_share_relocate", on, removal(untouched, elsewhere), untouched.to_first());
    measure.value("dominance_to_rest_densify", on, dense.dominance_to_rest());
    measure.value("dominance_to_rest_relocate", on, elsewhere.dominance_to_rest());
    note_shift("the super neurons write to another dimension", untouched, elsewhere, measure);
    note_stand_ins(stage, measure);
  });
}

REPLICATE_CLAIM(write_direction, "judged_on", "natural", "random", "queries");

}  // namespace
}  // namespace replicate
