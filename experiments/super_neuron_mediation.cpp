// The sink that a position becomes when it may attend only to itself goes through the super neurons: with their
// activations at that position held at what they are without the mask, it goes (the referee's "held constant";
// the paper has no figure of it). Control: as many neurons of that layer that contribute alike elsewhere.
// Cost: a forward pass for each of the untouched, the masked and the amplified lane; what is held acts from its
// spike's layer on, and only from there those lanes cost anything. harness/study/mediation.h has the method.

#include "harness/study/experiment.h"
#include "harness/study/mediation.h"

namespace replicate {
namespace {

Mediators super_neurons(const SpikeWriters& writers, const ModelConfig&) {
  return {Site::hidden, writers.neurons, writers.matched_neurons};
}

class SuperNeuronMediation : public Experiment {
 public:
  Plan plan(const Context& context) override { return mediation_.plan(context); }

  Measurement reduce(const Context& context) override {
    auto measurement = mediation_.reduce(context);
    for (const auto& writers : context.survey.writers) {
      if (writers.by_criteria) continue;
      measurement.notes.push_back(
          "In layer " + std::to_string(writers.layer) + " no neuron meets the criteria of a super neuron; the " +
          std::to_string(writers.neurons.size()) + " that contribute most to the spike stand in for them.");
    }
    return measurement;
  }

 private:
  Mediation mediation_{"super_neuron_mediation", super_neurons};
};

REPLICATE_EXPERIMENT(super_neuron_mediation, SuperNeuronMediation, "natural", "random", "calibration.sequences",
                     "target", "amplification");

}  // namespace
}  // namespace replicate
