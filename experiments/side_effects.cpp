// Is the sink a side effect of something else that the mask does? Position k becomes a sink by seeing only itself. In a
// third pass it is masked as well, and the stage's super neurons keep the activations at k that they have without the
// mask, so that there is no sink (asked for by the paper's referee; no figure). What this pass changes against the
// untouched one, the mask changes without the sink.
// Judged in the rows of attention after k, without columns 0 and k, over the sink layers of the stage: less than half
// of what the mask changes comes without the sink. And in that pass hardly any hidden neuron of the spike's layer moves
// at a later position by more than its own spread over texts and positions. Cost: a forward pass for each of the
// untouched and the masked lane; what is held acts from its spike's layer on.
// experiments/described/around_induced_sinks.cpp has a placebo mask, amplified variance, norms and activations.

#include "harness/study/measures/lane_comparison.h"
#include "harness/study/measures/mediated_sink.h"
#include "harness/study/measures/moved_neurons.h"
#include "harness/study/measures/row_comparison.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

constexpr double kShareWithoutSink = 0.5;  // of what the mask changes

/// The spikes in whose layers attention to k can move later positions: all but one in layer 1, whose FFN reads
/// attention to values that the mask has not changed yet.
std::vector<int64_t> spikes_within_reach(const Stage& stage) {
  std::vector<int64_t> spikes;
  for (const auto& writers : stage.writers) {
    if (writers.spike > 1) spikes.push_back(writers.spike);
  }
  return spikes;
}

/// Compares the rest of the rows of a changed pass with the untouched one's, in the stage's sink layers: [B, layers,
/// 3].
std::shared_ptr<LaneComparison> compare_rest(const Condition& on, int64_t target, const Stage& stage, int64_t most,
                                             Run untouched, Run changed) {
  auto comparison = std::make_shared<LaneComparison>(
      [target](const Tensor& before, const Tensor& after) { return change_of_rest(before, after, target); });
  const auto queries = later_queries(target, on.length(), most);
  untouched.add(weighted_rows_for(comparison, false, stage.sinks, queries));
  changed.add(weighted_rows_for(comparison, true, stage.sinks, queries));
  return comparison;
}

/// Per sequence, how much more than half of the masked pass's change there is without the sink.
void judge_rows(const Condition& on, const LaneComparison& masked, const LaneComparison& held, Measure& measure) {
  const auto with_sink = masked.layers().mean(1), without = held.layers().mean(1);  // [B, 3]
  for (int64_t i = 0; i < static_cast<int64_t>(std::size(kChangesOfRest)); ++i) {
    const std::string name = kChangesOfRest[i];
    measure.judged(name + "_held_beyond_half", on, without.select(1, i) - kShareWithoutSink * with_sink.select(1, i));
    measure.ratio(name + "_held_share", on, without.select(1, i), with_sink.select(1, i));
  }
  measure.value("total_variation_masked", on, with_sink.select(1, 0).mean().item<double>());
}

void judge_neurons(Claim& claim, const Condition& on, const std::vector<int64_t>& spikes, int64_t target, Run untouched,
                   Run held) {
  if (spikes.empty()) {
    return claim.report([](Measure& measure) {
      measure.note("The spike is in layer 1, where the mask at one position cannot move neurons at other positions.");
    });
  }
  const auto before = untouched.add(watch_later_neurons(spikes, target)),
             after = held.add(watch_later_neurons(spikes, target));
  const auto deviations = claim.parameters.real("deviations");
  claim.report([=](Measure& measure) {
    std::vector<Tensor> shares;
    for (const auto spike : spikes)
      shares.push_back(moved_share(before->layer(spike), after->layer(spike), deviations));
    measure.judged("moved_neurons_share", on, at::stack(shares).mean(0), {}, {0, 1});
  });
}

void side_effects(Claim& claim) {
  const auto stage = claim.stage();
  const auto on = claim.primary();
  const auto target = target_of(claim), rows = claim.parameters.integer("rows");
  check_target(target, on, "side_effects");
  const std::vector<Patch> mask{only_itself(target, {1, on.layers()})};
  const auto untouched = claim.run(on), masked = claim.run(on, mask);
  auto patches = mask;
  for (auto& patch : at_each_spike(stage, hold_super_neurons(untouched, target))) patches.push_back(std::move(patch));
  const auto held = claim.run(on, patches);
  const auto with_sink = watch_target_sink(masked, on, stage.sinks, target);
  const auto without = watch_target_sink(held, on, stage.sinks, target);
  const auto by_mask = compare_rest(on, target, stage, rows, untouched, masked);
  const auto by_held = compare_rest(on, target, stage, rows, untouched, held);
  claim.report([=](Measure& measure) {
    judge_rows(on, *by_mask, *by_held, measure);
    measure.value("induced_excess", on, with_sink.excess());
    measure.value("held_excess", on, without.excess());
    note_stand_ins(stage, measure);
  });
  judge_neurons(claim, on, spikes_within_reach(stage), target, untouched, held);
}

REPLICATE_CLAIM(side_effects, "judged_on", "natural", "random", "target", "rows", "deviations");

}  // namespace
}  // namespace replicate
