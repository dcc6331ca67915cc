// Is it the variance of the attention output that makes a position a sink, or the look of a value vector? In the layers
// up to a stage's spike the head outputs of a position k are replaced (beyond the paper): by its own value vector, as
// position 0 has it, and by noise that varies over texts exactly as position 0's outputs do, mu + a random combination
// of position 0's centred outputs, the same combination in all layers. mu is measured layer by layer, on other
// sequences in which the earlier layers are replaced already. Judged in the stage's first sink layer: noise draws a
// share of what the own value draws. Cost: two passes to the first sink layer, and one over the calibration sequences
// per layer up to the spike. experiments/described/substitutes_by_layer.cpp has all layers, and the value vector of
// another token.

#include "harness/study/claim.h"
#include "harness/study/measures/position_variance.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/substitutes.h"

namespace replicate {
namespace {

/// Mean excess attention, of attention to the target [B].
double mean_excess(const Tensor& attention, const ScaledTarget& scaled) {
  const auto uniform = uniform_attention(scaled.target, scaled.on.length());
  return (attention.mean().item<double>() - uniform) / (1 - uniform);
}

void variance_substitutes(Claim& claim) {
  if (const auto why = why_no_variance(claim, claim.primary())) {
    return claim.report([=](Measure& measure) { measure.inapplicable(*why); });
  }
  const auto scaled = scaled_target(claim, "variance_substitutes");
  const auto& on = scaled.on;
  const auto seen = [&](std::vector<Patch> patches) {
    return watch_target(claim.run(on, std::move(patches)), on, scaled.target, scaled.first_sinks);
  };
  const auto own_value = seen(own_value_of(scaled)), noise = seen(noise_like_first(claim, scaled));
  const auto share = claim.parameters.real("share_of_own_value");
  claim.report([=](Measure& measure) {
    const auto by_own_value = own_value.to_target().mean(1), by_noise = noise.to_target().mean(1);  // [B]
    measure.judged("noise_beyond_share_of_own_value", on, by_noise - share * by_own_value);
    measure.value("own_value_excess", on, mean_excess(by_own_value, scaled));
    measure.ratio("noise_to_own_value_ratio", on, by_noise, by_own_value);
  });
}

REPLICATE_CLAIM(variance_substitutes, "judged_on", "random", "natural", "calibration.sequences", "target",
                "share_of_own_value");

}  // namespace
}  // namespace replicate
