// Attention averages value vectors, so the output of position t varies less over inputs than one value vector does.
// Position 0 averages only itself and stays the high-variance outlier (paper, figures 1 and 4: random tokens, monotone
// decay). Judged in our layer 2, the paper's "layer 1". In layer 1 the values of random tokens are independent, so the
// same holds there by arithmetic in any weights.
// Cost: the judged sequences through two layers.

#include "harness/study/claim.h"
#include "harness/study/measures/position_variance.h"

namespace replicate {
namespace {

/// Log of the variance at position 0 over the mean variance at positions 1 to 31, from weights [R, B]: [R, 1].
Tensor log_ratio(const PositionVariance& variance, int64_t layer, const Tensor& weights) {
  return variance.ratio(layer, weights).log().unsqueeze(1);
}

/// Rank correlation of position and variance, from weights [R, B]: [R, 1].
Tensor decay(const PositionVariance& variance, int64_t layer, const Tensor& weights) {
  return position_spearman(variance.by_position(layer, weights)).unsqueeze(1);
}

/// `suffix`: "" in the judged layer.
void judge_layer(const Condition& on, const PositionVariance& variance, int64_t layer, const std::string& suffix,
                 Measure& measure) {
  const std::map<std::string, int64_t> where{{"layer", layer}};
  measure.judged_population(
      "log_variance_ratio_first_to_rest" + suffix, on,
      [&](const Tensor& weights) { return log_ratio(variance, layer, weights); }, {}, where);
  measure.judged_population(
      "variance_decay_spearman" + suffix, on, [&](const Tensor& weights) { return decay(variance, layer, weights); },
      {-1, 1}, where);
}

void variance_discrepancy(Claim& claim) {
  const auto on = claim.primary();
  if (const auto why = why_no_variance(claim, on)) {
    return claim.report([=](Measure& measure) { measure.inapplicable(*why); });
  }
  require_positions(on, "variance_discrepancy");
  const std::vector<int64_t> layers{kVarianceLayer, 1};
  const auto variance = claim.run(on).add(std::make_shared<PositionVariance>(Site::head_output, layers, false));
  claim.report([=](Measure& measure) {
    judge_layer(on, *variance, kVarianceLayer, "", measure);
    judge_layer(on, *variance, 1, "_layer1", measure);
  });
}

REPLICATE_CLAIM(variance_discrepancy, "judged_on", "random", "natural");

}  // namespace
}  // namespace replicate
