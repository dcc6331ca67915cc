// W_O reads most from the value dimensions that vary most at position 0, so that position 0 is still the outlier after
// it (paper, figure 7: Kendall's tau between the absolute weights of each output and position 0's input variance, mean
// 0.32 in Llama-2's layer 1, our layer 2). Position 0 sees only itself, so its variance is exact: one forward pass of
// every ordinary id. Tau is held against permutations of the value dimensions within each key/value head. That the
// outlier survives W_O is arithmetic: a projection that knows nothing of the variances keeps their ratio. Cost: every
// ordinary id of the vocabulary and the random sequences through two layers.

#include "harness/study/claim.h"
#include "harness/study/measures/output_alignment.h"
#include "harness/study/measures/position_variance.h"
#include "harness/study/measures/value_variance.h"

namespace replicate {
namespace {

constexpr double kPaperTau = 0.32;  // Llama-2, figure 7

/// The variances [G, K], each head's in an order of its own.
Tensor permuted_within_heads(const Tensor& variance, Random& random) {
  std::vector<Tensor> heads;
  for (int64_t g = 0; g < variance.size(0); ++g) {
    heads.push_back(variance[g].index_select(0, at::tensor(random.permutation(variance.size(1)), at::kLong)));
  }
  return at::stack(heads);
}

/// How many of the permutations have a mean tau as large as the layer's own.
int64_t permutations_reaching(double tau, int64_t permutations, const ProjectionTau& of, const Tensor& variance,
                              Random random) {
  int64_t reaching = 0;
  for (int64_t i = 0; i < permutations; ++i) reaching += of(permuted_within_heads(variance, random)) >= tau;
  return reaching;
}

void output_projection_alignment(Claim& claim) {
  const auto on = claim.primary();
  if (const auto why = why_no_variance(claim, on)) {
    return claim.report([=](Measure& measure) { measure.inapplicable(*why); });
  }
  require_positions(on, "output_projection_alignment");
  const Condition each{claim.maker->one_token_each(claim.parameters.integer("most_ids")), claim.model, ""};
  const auto values = claim.run(each).add(std::make_shared<ValueVariance>(kVarianceLayer));
  const auto projected = claim.run(on).add(
      std::make_shared<PositionVariance>(Site::projected, std::vector<int64_t>{kVarianceLayer}, false));
  const auto permutations = claim.parameters.integer("permutations");
  const Random random(derive_seed(claim.seed, "output_projection_alignment/permutations"));
  claim.report([=, config = claim.config()](Measure& measure) {
    const ProjectionTau of(config, values->weight());
    const auto variance = values->variance();  // [G, K]
    const auto tau = of(variance);
    const auto reaching = permutations_reaching(tau, permutations, of, variance, random);
    measure.value("kendall_tau_exact", each, tau, {{"layer", kVarianceLayer}});
    measure.value("kendall_tau_exact_distance_to_paper", each, tau - kPaperTau, {{"layer", kVarianceLayer}});
    measure.value("permutations_reaching_tau", each, static_cast<double>(reaching), {{"layer", kVarianceLayer}});
    measure.judged_population(
        "log_variance_ratio_after", on,
        [&](const Tensor& weights) { return projected->ratio(kVarianceLayer, weights).log().unsqueeze(1); }, {},
        {{"layer", kVarianceLayer}});
  });
}

REPLICATE_CLAIM(output_projection_alignment, "judged_on", "random", "natural", "most_ids", "permutations");

}  // namespace
}  // namespace replicate
