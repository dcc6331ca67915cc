// At a sink, position 0's residual stream is dominated by one or two dimensions, so that RMSNorm turns it into
// nearly the same direction whatever the token was (paper, figures 11 and 14; Llama-2-7B: max|h| / mean|h|
// above 200, 262.88 after the norm). Cost: one forward pass per condition.

#include "harness/study/claim.h"
#include "harness/study/measures/disparity.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

/// Share of the four largest components in |h|^2, [b, T, D] -> [b, T]; RMSNorm without gain leaves it alone.
Tensor top4_energy(const Tensor& hidden) {
  const auto energy = hidden.to(at::kDouble).square();
  return std::get<0>(energy.topk(4, -1)).sum(-1) / energy.sum(-1);
}

/// A measure of each position, at position 0 and over the rest: [B, L, 2].
std::shared_ptr<Watch> watch_first_and_rest(Site site, Tensor (*by_position)(const Tensor&)) {
  return watch(site, [=](const Tensor& hidden) { return first_and_rest(by_position(hidden)); });
}

/// What is observed of one condition.
struct Observed {
  Condition on;
  std::shared_ptr<Watch> dominance, normed, energy;  // [B, L, 2]
};

Observed observe(Claim& claim, const Condition& on) {
  auto run = claim.run(on);
  return {on, run.add(watch_first_and_rest(Site::block_input, dominance_ratio)),
          run.add(watch_first_and_rest(Site::attention_normed, dominance_ratio)),
          run.add(watch_first_and_rest(Site::block_input, top4_energy))};
}

/// Mean over the listed layers at position 0 (which = 0) or over the rest (1): [B].
Tensor over_layers(const Watch& watch, const std::vector<int64_t>& layers, int64_t which) {
  std::vector<Tensor> chosen;
  for (const auto layer : layers) chosen.push_back(watch.layer(layer).select(1, which));
  return at::stack(chosen, 0).mean(0);
}

void report_series(const Observed& one, Measure& measure) {
  const auto both = [&](const std::string& name, const Watch& watch) {
    const auto values = watch.layers();  // [B, L, 2]
    measure.by_layer(name, one.on, values.select(2, 0), one.on.layers());
    measure.by_layer(name + "_rest", one.on, values.select(2, 1), one.on.layers());
  };
  both("dominance_ratio", *one.dominance);
  both("dominance_ratio_normed", *one.normed);
  both("top4_energy", *one.energy);
}

void report_over_sinks(const Observed& one, const std::vector<int64_t>& sinks, Measure& measure) {
  const auto first = over_layers(*one.dominance, sinks, 0);
  const auto rest = over_layers(*one.dominance, sinks, 1);
  measure.mean("dominance_ratio", one.on, first);
  measure.mean("dominance_ratio_rest", one.on, rest);
  measure.ratio("dominance_over_rest", one.on, first, rest);
  measure.mean("dominance_ratio_normed", one.on, over_layers(*one.normed, sinks, 0));
  measure.mean("top4_energy", one.on, over_layers(*one.energy, sinks, 0));
  measure.mean("top4_energy_rest", one.on, over_layers(*one.energy, sinks, 1));
}

void dimension_disparity(Claim& claim) {
  std::vector<Observed> observed;  // the judged condition first
  for (const auto& on : claim.conditions()) {
    observed.push_back(observe(claim, on));
    claim.report([one = observed.back()](Measure& measure) { report_series(one, measure); });
  }
  const auto sinks = claim.sinks();
  for (const auto& one : observed) {
    claim.report([=](Measure& measure) { report_over_sinks(one, sinks, measure); });
  }
  const auto named = claim.parameters.integer("named_layer");  // the layer for which a paper gives a number
  if (named <= 0) return;
  claim.report([=, judged = observed.front()](Measure& measure) {
    measure.mean("dominance_ratio_normed_named", judged.on, judged.normed->layer(named).select(1, 0));
  });
}

REPLICATE_CLAIM(dimension_disparity, "natural", "random", "null_model", "named_layer");

}  // namespace
}  // namespace replicate
