// The sink that a position becomes when it may attend only to itself goes through the few residual dimensions that the
// spike blows up: with these held, at that position and where the residual stream leaves the spike's layer, at what
// they are without the mask, it goes (the referee's "held constant"; the paper has no figure of it).
// Control: the position's whole residual stream scaled to the norm that holding leaves, its direction kept.
// Cost: a forward pass for each of the untouched and the masked lane, and from the spike's layer on one for the control
// and one for each number of dimensions: the judged one, and the powers of 2 below it.
// experiments/described/mediators_of_dominant_spike.cpp has what is reported beside it.

#include <algorithm>

#include "harness/study/measures/disparity.h"
#include "harness/study/measures/mediated_sink.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

/// How many dimensions are few: at least so many, and so large a share of the width.
int64_t few_dimensions(const Claim& claim) {
  const auto share = claim.parameters.real("few_dimensions.share_of_width");
  return std::max(claim.parameters.integer("few_dimensions.at_least"),
                  static_cast<int64_t>(share * static_cast<double>(claim.config().width)));
}

EditOfSpike hold_largest(Run untouched, int64_t target, int64_t count) {
  return hold_at_target(std::move(untouched), Site::block_output, target, [count](const StageWriters& writers) {
    const auto most = std::min<int64_t>(count, static_cast<int64_t>(writers.dimensions.size()));
    return std::vector<int64_t>(writers.dimensions.begin(), writers.dimensions.begin() + most);
  });
}

/// The target sees only itself, and its largest dimensions are held at each spike.
std::vector<Patch> masked_and_held(const Stage& stage, const Condition& on, Run untouched, int64_t target,
                                   int64_t count) {
  std::vector<Patch> patches{only_itself(target, {1, on.layers()})};
  for (auto& patch : at_each_spike(stage, hold_largest(std::move(untouched), target, count))) {
    patches.push_back(std::move(patch));
  }
  return patches;
}

/// The target sees only itself, and after each spike it has the norm that it has in the other pass.
std::vector<Patch> masked_and_scaled(const Stage& stage, const Condition& on, Run other, int64_t target) {
  std::vector<Patch> patches{only_itself(target, {1, on.layers()})};
  for (const auto& writers : stage.writers) {
    const LayerRange here{writers.spike, writers.spike};
    patches.push_back(Transplant{.site = Site::block_output,
                                 .layers = here,
                                 .positions = {target},
                                 .dimensions = {},
                                 .source = other.record({{}, Site::block_output, here, {target}}),
                                 .norm_only = true});
  }
  return patches;
}

/// A measure of disparity at layer inputs, of the target and the mean over the other later positions: [b, 2].
std::shared_ptr<Watch> watch_disparity(int64_t target, Tensor (*by_position)(const Tensor&)) {
  return watch(Site::block_input, [=](const Tensor& hidden) {
    const auto disparity = by_position(hidden);  // [b, T]
    const auto at_target = disparity.select(1, target);
    const auto others = (disparity.slice(1, 1).sum(1) - at_target) / static_cast<double>(disparity.size(1) - 2);
    return at::stack({at_target, others}, 1);
  });
}

/// The target's disparity over the others', means over sequences and the stage's sink layers.
double to_rest(const std::shared_ptr<Watch>& disparity, const Stage& stage) {
  const auto means = mean_over_layers(disparity->layers(), stage.sinks).mean(0);
  return (means[0] / means[1]).item<double>();
}

void disparity_mediation(Claim& claim) {
  const auto stage = claim.stage();
  const auto on = claim.primary();
  const auto target = target_of(claim), few = few_dimensions(claim);
  check_target(target, on, "disparity_mediation");
  const auto watch_sink_of = [&](Run run) { return watch_target_sink(run, on, stage.sinks, target); };
  const auto untouched = claim.run(on);
  auto held = claim.run(on, masked_and_held(stage, on, untouched, target, few));
  const auto dominance = held.add(watch_disparity(target, dominance_ratio));
  const auto energy = held.add(watch_disparity(target, top4_energy));
  const Mediation mediation{on,
                            stage.last_spike(),
                            claim.parameters.real("share_of_induced"),
                            watch_sink_of(untouched),
                            watch_sink_of(claim.run(on, {only_itself(target, {1, on.layers()})})),
                            watch_sink_of(held),
                            watch_sink_of(claim.run(on, masked_and_scaled(stage, on, held, target)))};
  claim.report([=](Measure& measure) {
    report_mediation(mediation, "scaled", measure);
    measure.value("dimensions_held", on, static_cast<double>(few));
    measure.value("dominance_to_rest_held", on, to_rest(dominance, stage));
    measure.value("top4_energy_to_rest_held", on, to_rest(energy, stage));
  });
  for (int64_t fewer = 1; fewer < few; fewer *= 2) {
    const auto sink = watch_sink_of(claim.run(on, masked_and_held(stage, on, untouched, target, fewer)));
    claim.report([=](Measure& measure) {
      const auto removed = mediation.masked.to_target() - sink.to_target();
      measure.mean("induced_removed_by_count", on, removed, {{"dimensions", fewer}});
    });
  }
}

REPLICATE_CLAIM(disparity_mediation, "judged_on", "natural", "random", "target", "share_of_induced",
                "few_dimensions.at_least", "few_dimensions.share_of_width");

}  // namespace
}  // namespace replicate
