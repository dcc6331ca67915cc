// Beside the claim variance_substitutes, at its judged stage: attention to the target by layer under each substitute,
// in how many sequences it makes a sink, and how its variance compares with position 0's. Cost: a pass to the end per
// substitute.

#include "harness/study/claim.h"
#include "harness/study/measures/position_variance.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/substitutes.h"

namespace replicate {
namespace {

void show_substitute(Claim& claim, const ScaledTarget& scaled, const std::string& name, std::vector<Patch> patches) {
  const auto& on = scaled.on;
  const auto run = claim.run(on, std::move(patches));
  const auto pass = watch_target(run, on, scaled.target);
  const auto outputs = watch_outputs(run, scaled.target, scaled.before);
  claim.report([=](Measure& measure) {
    const auto by_layer = pass.to_target();                                // [B, L]
    const auto at_first = mean_over_layers(by_layer, scaled.first_sinks);  // [B]
    measure.by_layer("substituted_attention_by_layer_" + name, on, by_layer, on.layers());
    measure.mean("substituted_attention_" + name, on, at_first);
    measure.mean("substituted_sequences_with_sink_" + name, on, has_sink(at_first, pass, scaled.sink_excess));
    measure.curve("substituted_variance_to_first_" + name, on, "layer", numbers_of(scaled.before),
                  variance_to_first(*outputs, scaled.before));
  });
}

void substitutes_by_layer(Claim& claim) {
  if (why_no_variance(claim, claim.primary())) return;
  const auto scaled = scaled_target(claim, "variance_substitutes");
  show_substitute(claim, scaled, "untouched", {});
  show_substitute(claim, scaled, "own_value", own_value_of(scaled));
  if (auto other = other_value_of(claim, scaled)) show_substitute(claim, scaled, "other_value", std::move(*other));
  show_substitute(claim, scaled, "noise", noise_like_first(claim, scaled));
}

REPLICATE_DESCRIPTION(variance_substitutes, substitutes_by_layer, "judged_on", "random", "natural",
                      "calibration.sequences", "target");

}  // namespace
}  // namespace replicate
