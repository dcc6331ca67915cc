// The sink that a position becomes when it may attend only to itself goes through the few residual dimensions that
// the spike blows up: with these held, at that position and where the spike leaves its layer, at what they are
// without the mask, it goes (the referee's "held constant"; the paper has no figure of it). Control: as many
// dimensions that are of like size at other positions.
// Cost: as super_neuron_mediation, and the two largest dimensions, and all but the four, by themselves.
// harness/study/mediation.h has the method.

#include <algorithm>

#include "harness/study/experiment.h"
#include "harness/study/mediation.h"

namespace replicate {
namespace {

/// The `count` largest dimensions of position 0 after the spike.
Mediators spike_dimensions(const SpikeWriters& writers, size_t count) {
  Mediators mediators{Site::block_output, writers.dimensions, writers.matched_dimensions};
  for (auto* list : {&mediators.dimensions, &mediators.matched}) {
    list->resize(std::min(count, list->size()));
  }
  return mediators;
}

Mediators top4(const SpikeWriters& writers, const ModelConfig&) { return spike_dimensions(writers, 4); }

Mediators top2(const SpikeWriters& writers, const ModelConfig&) { return spike_dimensions(writers, 2); }

/// Every dimension but those: is what the spike writes elsewhere needed?
Mediators all_but_top4(const SpikeWriters& writers, const ModelConfig& config) {
  const auto top = top4(writers, config).dimensions;
  Mediators others{Site::block_output, {}, {}};
  for (int64_t dimension = 0; dimension < config.width; ++dimension) {
    if (std::find(top.begin(), top.end(), dimension) == top.end()) others.dimensions.push_back(dimension);
  }
  return others;
}

class DisparityMediation : public Experiment {
 public:
  Plan plan(const Context& context) override { return mediation_.plan(context); }
  Measurement reduce(const Context& context) override { return mediation_.reduce(context); }

 private:
  Mediation mediation_{"disparity_mediation", top4, {{"_top2", top2}, {"_but_top4", all_but_top4}}};
};

REPLICATE_EXPERIMENT(disparity_mediation, DisparityMediation, "natural", "random", "calibration.sequences", "target",
                     "amplification");

}  // namespace
}  // namespace replicate
