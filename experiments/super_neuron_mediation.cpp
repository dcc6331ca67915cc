// The sink that a position becomes when it may attend only to itself goes through the super neurons: with their
// activations at that position held at what they are without the mask, it goes (the referee's "held constant";
// the paper has no figure of it). Control: as many neurons of that layer that contribute alike elsewhere.
// Cost: a forward pass for each of the untouched, the masked and the amplified lane; what is held acts from its
// spike's layer on, and only from there those lanes cost anything. harness/study/mediation.h has the method.

#include "harness/study/mediation.h"

namespace replicate {
namespace {

Mediators super_neurons(const SpikeWriters& writers) {
  return {Site::hidden, writers.neurons, writers.matched_neurons};
}

void note_stand_ins(const Survey& survey, Measure& measure) {
  for (const auto& writers : survey.writers) {
    if (writers.by_criteria) continue;
    measure.note("In layer " + std::to_string(writers.layer) + " no neuron meets the criteria of a super neuron; the " +
                 std::to_string(writers.neurons.size()) + " that contribute most to the spike stand in for them.");
  }
}

void super_neuron_mediation(Claim& claim) {
  claim.report([&claim](Measure& measure) { note_stand_ins(claim.survey, measure); });
  mediate(claim, "super_neuron_mediation", super_neurons);
}

REPLICATE_CLAIM(super_neuron_mediation, "natural", "random", "calibration.sequences", "target", "amplification");

}  // namespace
}  // namespace replicate
