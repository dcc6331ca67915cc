// The sink that a position becomes when it may attend only to itself goes through the few residual dimensions that
// the spike blows up: with these held, at that position and where the spike leaves its layer, at what they are
// without the mask, it goes (the referee's "held constant"; the paper has no figure of it). Control: as many
// dimensions that are of like size at other positions.
// Cost: as super_neuron_mediation, and the two largest dimensions, and all but the four, by themselves.
// harness/study/mediation.h has the method.

#include <algorithm>

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

Mediators top4(const SpikeWriters& writers) { return spike_dimensions(writers, 4); }

Mediators top2(const SpikeWriters& writers) { return spike_dimensions(writers, 2); }

/// Every dimension but the four largest: is what the spike writes elsewhere needed?
Mediators all_but_top4(const SpikeWriters& writers, int64_t width) {
  const auto top = top4(writers).dimensions;
  Mediators others{Site::block_output, {}, {}};
  for (int64_t dimension = 0; dimension < width; ++dimension) {
    if (std::ranges::find(top, dimension) == top.end()) others.dimensions.push_back(dimension);
  }
  return others;
}

void disparity_mediation(Claim& claim) {
  mediate(claim, "disparity_mediation", top4, [&](const InducedSink& masked) {
    const auto& writers = claim.dominant_stage().writers;
    hold(claim, masked, "_but_top4", writers.layer, all_but_top4(writers, claim.config().width));
    hold(claim, masked, "_top2", writers.layer, top2(writers));
  });
}

REPLICATE_CLAIM(disparity_mediation, "natural", "random", "calibration.sequences", "target", "amplification");

}  // namespace
}  // namespace replicate
