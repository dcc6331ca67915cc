// Super neurons "drastically amplify" the variance discrepancy (paper, abstract). In the layer of the stage's spike,
// position 0 must stand out in its variance over texts much more in what the FFN writes than in what W_O writes. At
// each site the log of the variance is compared with its mean over positions 1 to 31, so no single position decides:
// where one text in a hundred has a massive token there, that text is nearly all of the position's variance. Random
// ids, as for the variance discrepancy itself. experiments/described/variance_through_layer.cpp has every layer, and
// the other reading of the sentence: the spread over the dimensions of one vector. Cost: the judged sequences up to the
// spike's layer.

#include "harness/study/claim.h"
#include "harness/study/measures/position_variance.h"

namespace replicate {
namespace {

/// Variance over texts at two sites of the spike's layer.
struct Amplification {
  Condition on;
  int64_t spike;
  std::shared_ptr<PositionVariance> attention, ffn;  // after W_O, after W_down

  /// Log of the variance at position 0 less the mean log variance at positions 1 to 31, from weights [R, B]: [R].
  Tensor log_ratio(const PositionVariance& site, const Tensor& weights) const {
    const auto logs = site.by_position(spike, weights).log();  // [R, P]
    return logs.select(1, 0) - logs.slice(1, 1).mean(1);
  }
  /// What the FFN adds to the log ratio: [R, 1].
  Tensor gain(const Tensor& weights) const {
    return (log_ratio(*ffn, weights) - log_ratio(*attention, weights)).unsqueeze(1);
  }
  /// The two ratios: [R, 2].
  Tensor ratios(const Tensor& weights) const {
    return at::stack({log_ratio(*attention, weights), log_ratio(*ffn, weights)}, 1).exp();
  }
};

void discrepancy_amplification(Claim& claim) {
  const auto on = claim.primary();
  if (const auto why = why_no_variance(claim, on)) {
    return claim.report([=](Measure& measure) { measure.inapplicable(*why); });
  }
  require_positions(on, "discrepancy_amplification");
  const auto spike = claim.stage().first_spike();
  auto run = claim.run(on);
  const auto at_spike = [&](Site site) {
    return run.add(std::make_shared<PositionVariance>(site, std::vector{spike}, false));
  };
  const Amplification seen{on, spike, at_spike(Site::projected), at_spike(Site::ffn_output)};
  claim.report([=](Measure& measure) {
    measure.judged_population("log_variance_ratio_gain", on, [&](const Tensor& weights) { return seen.gain(weights); });
    measure.population({"variance_ratio_of_attention", "variance_ratio_of_ffn"}, on,
                       [&](const Tensor& weights) { return seen.ratios(weights); });
  });
}

REPLICATE_CLAIM(discrepancy_amplification, "judged_on", "random", "natural");

}  // namespace
}  // namespace replicate
