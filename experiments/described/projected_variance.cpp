// Beside the claim output_projection_alignment: tau with the variances over the judged sequences, at position 0 and at
// every other, in layers 1 and 2; the variance after W_O by position and by layer; and how much of the outlier a W_O
// leaves whose inputs are permuted. Tau depends on the basis of the value space (W_V -> S W_V, W_O -> W_O S^-1 leaves
// the function alone); what survives W_O does not. Cost: the judged sequences through all layers once, for the ratio by
// layer; two layers for everything else.

#include "harness/study/claim.h"
#include "harness/study/measures/output_alignment.h"
#include "harness/study/measures/position_variance.h"

namespace replicate {
namespace {

constexpr int64_t kFirstLater = 10, kLastLater = 30;  // positions whose variance position 0's is held against
constexpr int64_t kQuantiles = 101;                   // of tau over outputs

/// What is observed of one condition.
struct Observed {
  Condition on;
  std::shared_ptr<PositionVariance> before, after;  // of W_O
  std::shared_ptr<ProjectionProbe> projection;
};

using Permutations = std::vector<Tensor>;  // of the G K value dimensions

Permutations draw_permutations(const Claim& claim) {
  Random random(derive_seed(claim.seed, "output_projection_alignment/permutations"));
  const auto dimensions = claim.config().kv_heads * claim.config().head_width;
  Permutations permutations;
  for (int64_t i = 0; i < claim.parameters.integer("permuted_projections"); ++i) {
    permutations.push_back(at::tensor(random.permutation(dimensions), at::kLong));
  }
  return permutations;
}

/// Variances after a W_O that does not know where they lie: mean over permutations of its inputs.
FirstAndRest by_permuted_projection(const Claim& claim, const Observed& one, int64_t layer,
                                    const Permutations& permutations) {
  const auto metric = permuted_metric(claim.config(), one.projection->weight(layer), permutations);
  return FirstAndRest(one.projection->outputs(layer).flatten(2), metric);
}

void report_variance(const std::string& name, const Condition& on, const PositionVariance& variance, int64_t layer,
                     Measure& measure) {
  measure.population_series(in_layer(name, layer), on, "position", variance_positions(),
                            [&](const Tensor& weights) { return variance.by_position(layer, weights); });
}

/// Whether position 0 is the outlier after W_O too, and how much of that any W_O would leave.
void report_projected(const Claim& claim, const Observed& one, int64_t layer, const Permutations& permutations,
                      Measure& measure) {
  report_variance("variance_by_position", one.on, *one.before, layer, measure);
  report_variance("variance_by_position_projected", one.on, *one.after, layer, measure);
  const auto permuted = by_permuted_projection(claim, one, layer, permutations);
  const auto ratios = [&](const Tensor& weights) {
    const auto after = one.after->ratio(layer, weights), by_chance = permuted.ratio(weights);  // [R]
    return at::stack({one.before->ratio(layer, weights), after, by_chance, after / by_chance}, 1);
  };
  measure.population({"variance_ratio_before", "variance_ratio_after", "variance_ratio_after_permuted",
                      "variance_ratio_after_to_permuted"},
                     one.on, ratios, {{"layer", layer}});
}

/// Tau with position 0's variances, and by how much it exceeds that of later positions.
void report_tau(const Claim& claim, const Condition& on, int64_t layer, const OutputAlignment& alignment,
                Measure& measure) {
  const auto taus = [&](const Tensor& weights) {
    const auto first = alignment.mean_tau(weights, 0);  // [R]
    const auto later = alignment.mean_tau(weights, kFirstLater, kLastLater);
    return at::stack({first, first - later}, 1);
  };
  measure.population({"kendall_tau_mean", "kendall_tau_over_later"}, on, taus, {{"layer", layer}},
                     {.most = claim.parameters.integer("tau_resamples")});
}

/// Of each output, by rising tau.
void report_quantiles(const Condition& on, int64_t layer, const std::vector<double>& taus, Measure& measure) {
  std::vector<double> share, quantiles;
  for (int64_t i = 0; i < kQuantiles; ++i) {
    share.push_back(static_cast<double>(i) / (kQuantiles - 1));
    quantiles.push_back(quantile(taus, share.back()));
  }
  measure.curve(in_layer("kendall_tau", layer), on, "output_quantile", share, at::tensor(quantiles));
}

/// Mean over outputs, with the variances at each position.
void report_tau_by_position(const Condition& on, int64_t layer, const OutputAlignment& alignment, Measure& measure) {
  const auto even = even_weights(on.tokens->sequences());
  std::vector<double> taus;
  for (int64_t p = 0; p < kVariancePositions; ++p) taus.push_back(alignment.mean_tau(even, p).item<double>());
  measure.curve(in_layer("kendall_tau_by_position", layer), on, "position", variance_positions(), at::tensor(taus));
}

void report_layer(const Claim& claim, const Observed& one, int64_t layer, const Permutations& permutations,
                  Measure& measure) {
  report_projected(claim, one, layer, permutations, measure);
  const OutputAlignment alignment(claim.config(), one.projection->outputs(layer), one.projection->weight(layer));
  report_tau(claim, one.on, layer, alignment, measure);
  report_quantiles(one.on, layer, alignment.taus(), measure);
  report_tau_by_position(one.on, layer, alignment, measure);
}

Observed observe(Claim& claim, const Condition& on, const std::vector<int64_t>& layers, bool every_layer) {
  auto run = claim.run(on);
  return {on, run.add(std::make_shared<PositionVariance>(Site::head_output, layers, false)),
          run.add(std::make_shared<PositionVariance>(Site::projected, layers, every_layer)),
          run.add(std::make_shared<ProjectionProbe>(layers))};
}

/// Position 0's outlier after W_O: by layer, and by how much it exceeds the null model's.
void report_beside(const Observed& judged, const Observed& last, const std::vector<int64_t>& layers, Measure& measure) {
  measure_by_layer("variance_ratio_after", judged.on, *judged.after, measure);
  if (last.on.suffix != "_null" || !same_ids(*last.on.tokens, *judged.on.tokens)) return;
  measure_minus_null("variance_ratio_after_minus_null", judged.on, layers, *judged.after, *last.after, measure);
}

/// `observed`: the judged condition first, the null model last.
void report_all(const Claim& claim, const std::vector<Observed>& observed, const std::vector<int64_t>& layers,
                const Permutations& permutations, Measure& measure) {
  const auto& judged = observed.front();
  if (same_first_token(judged.on)) return;
  for (const auto& one : observed) {
    if (same_first_token(one.on)) continue;
    for (const auto layer : layers) report_layer(claim, one, layer, permutations, measure);
  }
  report_beside(judged, observed.back(), layers, measure);
}

void projected_variance(Claim& claim) {
  const auto layers = variance_layers(claim.config());
  const auto permutations = draw_permutations(claim);
  std::vector<Observed> observed;
  for (const auto& on : conditions_with_positions(claim))
    observed.push_back(observe(claim, on, layers, observed.empty()));
  if (observed.empty()) return;
  claim.report([=, &claim](Measure& measure) { report_all(claim, observed, layers, permutations, measure); });
}

REPLICATE_DESCRIPTION(output_projection_alignment, projected_variance, "judged_on", "random", "natural", "null_model",
                      "permuted_projections", "tau_resamples");

}  // namespace
}  // namespace replicate
