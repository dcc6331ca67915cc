// The sink that a position becomes when it may attend only to itself goes through the few residual dimensions that the
// spike blows up: with these held, at that position and where the residual stream leaves the spike's layer, at what
// they are without the mask, it goes (the referee's "held constant"; the paper has no figure of it). How many are held
// is found on the survey's sequences: the first of 1, 2, 4, ... with which neither measure of dimension_disparity, the
// dominance ratio and the top-4 energy, is more than a tenth larger at that position than at others.
// Control: the position's whole residual stream scaled to the norm that holding leaves, its direction kept.
// Cost: a forward pass for each of the untouched and the masked lane, once more on the survey's sequences; for each
// number of dimensions, two lanes on the judged sequences and one on the survey's, from the spike's layer on.
// experiments/described/mediators_of_dominant_spike.cpp has what is reported beside it.

#include <algorithm>

#include "harness/study/measures/disparity.h"
#include "harness/study/measures/mediated_sink.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

constexpr int64_t kSurveySequences = 16;
constexpr double kAsOthers = 1.1;  // times the others' mean; also the threshold of the checks

/// 1, 2, 4, ... up to 4 or a hundredth of the width.
std::vector<int64_t> few(int64_t width) {
  std::vector<int64_t> counts;
  for (int64_t m = 1; m <= std::max<int64_t>(4, width / 100); m *= 2) counts.push_back(m);
  return counts;
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

/// So many dimensions held.
struct HeldDimensions {
  int64_t count = 0;
  Mediation mediation;
  std::shared_ptr<Watch> dominance, energy;  // on the survey's sequences

  /// The target's over the others', means over sequences and the stage's sink layers.
  double to_rest(const std::shared_ptr<Watch>& disparity) const {
    const auto means = mean_over_layers(disparity->layers(), mediation.held.layers).mean(0);
    return (means[0] / means[1]).item<double>();
  }
  bool enough() const { return std::max(to_rest(dominance), to_rest(energy)) <= kAsOthers; }
};

/// The first with which the target stands out no more than others; the last where none is enough.
const HeldDimensions& first_enough(const std::vector<HeldDimensions>& all) {
  const auto found = std::ranges::find_if(all, &HeldDimensions::enough);
  return found == all.end() ? all.back() : *found;
}

Condition surveyed_sequences(const Claim& claim, const Condition& on) {
  if (claim.set_aside) return {claim.set_aside, on.model, ""};
  if (claim.given) return on;
  const bool natural = on.tokens->kind == name_of(InputKind::natural);
  return {claim.maker->make(natural ? InputKind::natural : InputKind::random, {kSurveySequences, on.length()},
                            on.tokens->bos, Region::survey),
          on.model, ""};
}

/// How much each number of dimensions removes, and how lopsided it leaves the target.
void report_count(const HeldDimensions& held, Measure& measure) {
  const std::map<std::string, int64_t> where{{"dimensions", held.count}};
  const auto& on = held.mediation.on;
  measure.mean("induced_removed_by_count", on, held.mediation.removed(), where);
  measure.value("dominance_to_rest_by_count", on, held.to_rest(held.dominance), where);
  measure.value("top4_energy_to_rest_by_count", on, held.to_rest(held.energy), where);
}

void report_dimensions(const std::vector<HeldDimensions>& all, Measure& measure) {
  const auto& chosen = first_enough(all);
  const auto& on = chosen.mediation.on;
  report_mediation(chosen.mediation, "scaled", measure);
  measure.value("dimensions_held", on, static_cast<double>(chosen.count));
  measure.value("dominance_to_rest_held", on, chosen.to_rest(chosen.dominance));
  measure.value("top4_energy_to_rest_held", on, chosen.to_rest(chosen.energy));
  for (const auto& one : all) report_count(one, measure);
  if (chosen.enough()) return;
  measure.note("No few dimensions carry it: with the " + std::to_string(chosen.count) +
               " largest held, the target's vector is still more lopsided than the others'.");
}

void disparity_mediation(Claim& claim) {
  const auto stage = claim.stage();
  const auto on = claim.primary(), surveyed = surveyed_sequences(claim, on);
  const auto target = target_of(claim);
  check_target(target, on, "disparity_mediation");
  const auto watch_sink_of = [&](Run run) { return watch_target_sink(run, on, stage.sinks, target); };
  const auto untouched = claim.run(on), untouched_survey = claim.run(surveyed);
  const auto watch_untouched = watch_sink_of(untouched);
  const auto watch_masked = watch_sink_of(claim.run(on, {only_itself(target, {1, on.layers()})}));
  std::vector<HeldDimensions> all;
  for (const auto count : few(claim.config().width)) {
    const auto held = claim.run(on, masked_and_held(stage, on, untouched, target, count));
    const auto scaled = claim.run(on, masked_and_scaled(stage, on, held, target));
    const Mediation mediation{on,           stage.last_spike(),  watch_untouched,
                              watch_masked, watch_sink_of(held), watch_sink_of(scaled)};
    auto survey = claim.run(surveyed, masked_and_held(stage, surveyed, untouched_survey, target, count));
    all.push_back({count, mediation, survey.add(watch_disparity(target, dominance_ratio)),
                   survey.add(watch_disparity(target, top4_energy))});
  }
  claim.report([all](Measure& measure) { report_dimensions(all, measure); });
}

REPLICATE_CLAIM(disparity_mediation, "judged_on", "natural", "random", "target");

}  // namespace
}  // namespace replicate
