// Beside the two claims on mediation: what holding the mediators of the dominant spike, of each other spike and of all
// removes of the sink that the mask makes; the same where the target was amplified in place of masked; and position 0
// without its own mediators. Of the dimensions also the two largest, and all but the four largest.
// Cost: per claim a forward pass for each of the untouched, the masked and the amplified lane, and from their spike's
// layer on those with something held. harness/study/mediation.h has the method.

#include <algorithm>

#include "harness/study/mediation.h"

namespace replicate {
namespace {

Mediators neurons_of_dominant(const SpikeWriters& writers) { return {Site::hidden, writers.neurons}; }

/// The `count` largest dimensions of position 0 after the spike.
Mediators largest_dimensions(const SpikeWriters& writers, size_t count) {
  Mediators mediators{Site::block_output, writers.dimensions};
  mediators.dimensions.resize(std::min(count, mediators.dimensions.size()));
  return mediators;
}

Mediators top4(const SpikeWriters& writers) { return largest_dimensions(writers, 4); }

/// Every dimension but the four largest: is what the spike writes elsewhere needed?
Mediators all_but_top4(const SpikeWriters& writers, int64_t width) {
  const auto top = top4(writers).dimensions;
  Mediators others{Site::block_output, {}};
  for (int64_t dimension = 0; dimension < width; ++dimension) {
    if (std::ranges::find(top, dimension) == top.end()) others.dimensions.push_back(dimension);
  }
  return others;
}

void neurons_of_dominant_spike(Claim& claim) { mediate(claim, "super_neuron_mediation", neurons_of_dominant); }

void dimensions_of_dominant_spike(Claim& claim) {
  mediate(claim, "disparity_mediation", top4, [&](const InducedSink& masked) {
    const auto& writers = claim.dominant_stage().writers;
    hold(claim, masked, "_but_top4", writers.layer, all_but_top4(writers, claim.config().width));
    hold(claim, masked, "_top2", writers.layer, largest_dimensions(writers, 2));
  });
}

REPLICATE_DESCRIPTION(super_neuron_mediation, neurons_of_dominant_spike, "calibration.sequences", "target",
                      "amplification");
REPLICATE_DESCRIPTION(disparity_mediation, dimensions_of_dominant_spike, "calibration.sequences", "target",
                      "amplification");

}  // namespace
}  // namespace replicate
