// The sink that a position becomes when it may attend only to itself goes through the super neurons: with their
// activations at that position held at what they are without the mask, it goes (the referee's "held constant"; the
// paper has no figure of it). Control: from the position's residual stream after the spike, under the mask, a random
// vector is taken that is half as long as what holding takes. Cost: a forward pass for each of the untouched and the
// masked lane; what is held acts from its spike's layer on. experiments/described/mediators_of_dominant_spike.cpp has
// what is reported beside it.

#include "harness/study/measures/mediated_sink.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

void super_neuron_mediation(Claim& claim) {
  const auto stage = claim.stage();
  const auto on = claim.primary();
  const auto target = target_of(claim);
  check_target(target, on, "super_neuron_mediation");
  const auto observe = [&](std::vector<Patch> patches) {
    return watch_target_sink(claim.run(on, std::move(patches)), on, stage.sinks, target);
  };
  const std::vector<Patch> mask{only_itself(target, {1, on.layers()})};
  const auto hold = hold_super_neurons(claim.run(on), target);
  auto held = mask;
  for (auto& patch : at_each_spike(stage, hold)) held.push_back(std::move(patch));
  const Mediation mediation{.on = on,
                            .last_spike = stage.last_spike(),
                            .share_of_induced = claim.parameters.real("share_of_induced"),
                            .untouched = observe({}),
                            .masked = observe(mask),
                            .held = observe(held),
                            .control = observe(random_vectors(claim, on, stage, target, mask, hold))};
  claim.report([=](Measure& measure) {
    report_mediation(mediation, "random_vector", measure);
    note_stand_ins(stage, measure);
  });
}

REPLICATE_CLAIM(super_neuron_mediation, "judged_on", "natural", "random", "target", "share_of_induced",
                "random_vector_length");

}  // namespace
}  // namespace replicate
