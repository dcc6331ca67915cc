// What surrounds the claim dimension_disparity: dominance and top-4 energy in every layer, on other inputs and in
// re-initialised weights, their means over all sink layers, and the layer for which a paper gives a number.
// Cost: one forward pass per condition.

#include <cstdio>

#include "harness/study/claim.h"
#include "harness/study/measures/disparity.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// What is observed of one condition: position 0 and the mean over the others, [B, L, 2].
struct Disparity {
  Condition on;
  std::shared_ptr<Watch> dominance, normed, energy;
};

Disparity observe_disparity(Claim& claim, const Condition& on) {
  auto run = claim.run(on);
  return {on, run.add(watch_first_and_rest(Site::block_input, dominance_ratio)),
          run.add(watch_first_and_rest(Site::attention_normed, dominance_ratio)),
          run.add(watch_first_and_rest(Site::block_input, top4_energy))};
}

void report_series(const Disparity& one, Measure& measure) {
  const auto both = [&](const std::string& name, const Watch& watch) {
    const auto values = watch.layers();  // [B, L, 2]
    measure.by_layer(name, one.on, values.select(2, 0), one.on.layers());
    measure.by_layer(name + "_rest", one.on, values.select(2, 1), one.on.layers());
  };
  both("dominance_ratio", *one.dominance);
  both("dominance_ratio_normed", *one.normed);
  both("top4_energy", *one.energy);
}

void report_over_sinks(const Disparity& one, const std::vector<int64_t>& sinks, Measure& measure) {
  const auto over_sinks = [&](const Watch& watch, int64_t which) {
    return mean_over_layers(watch.layers(), sinks).select(1, which);  // [B]
  };
  const auto first = over_sinks(*one.dominance, 0), rest = over_sinks(*one.dominance, 1);
  measure.mean("dominance_ratio", one.on, first);
  measure.mean("dominance_ratio_rest", one.on, rest);
  measure.ratio("dominance_over_rest", one.on, first, rest);
  measure.mean("dominance_ratio_normed", one.on, over_sinks(*one.normed, 0));
  measure.mean("top4_energy", one.on, over_sinks(*one.energy, 0));
  measure.mean("top4_energy_rest", one.on, over_sinks(*one.energy, 1));
}

/// The first edition asked for the quotient of means over all sink layers to exceed 10, and later 5.
std::string by_earlier_thresholds(const Disparity& one, const std::vector<int64_t>& sinks) {
  const auto means = mean_over_layers(one.dominance->layers(), sinks).mean(0);  // [2]
  const auto ratio = (means[0] / means[1]).item<double>();
  char text[200];
  std::snprintf(
      text, sizeof text,
      "Over all sink layers the dominance ratio of position 0 is %.1f times the others'. The first edition of "
      "this claim required more than 10 times, and later more than 5: %s.",
      ratio,
      ratio > 10  ? "both hold"
      : ratio > 5 ? "only the second holds"
                  : "neither holds");
  return text;
}

void disparity_by_layer(Claim& claim) {
  std::vector<Disparity> observed;  // the judged condition first
  for (const auto& on : claim.conditions()) {
    observed.push_back(observe_disparity(claim, on));
    claim.report([one = observed.back()](Measure& measure) { report_series(one, measure); });
  }
  const auto named = claim.parameters.integer("named_layer");  // the layer for which a paper gives a number
  const auto sinks = claim.sinks();
  claim.report([=, judged = observed.front()](Measure& measure) {
    report_over_sinks(judged, sinks, measure);
    measure.note(by_earlier_thresholds(judged, sinks));
    if (named <= 0) return;
    measure.mean("dominance_ratio_normed_named", judged.on, judged.normed->layer(named).select(1, 0));
  });
}

REPLICATE_DESCRIPTION(dimension_disparity, disparity_by_layer, "random", "null_model", "named_layer");

}  // namespace
}  // namespace replicate
