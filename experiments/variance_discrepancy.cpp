// Averaging t + 1 value vectors shrinks how much position t's head output varies over inputs; position 0 averages
// only itself and stays the high-variance outlier (paper, figures 1 and 4: layer 1, random tokens, monotone decay).
// Measured in our layer 1, where the values of random tokens are independent, and in layer 2, the paper's "layer 1".
// The variance is also predicted from attention and values alone, without a fitted parameter. It holds by arithmetic
// at random initialisation, so the re-initialised model stands beside it.
// Control: every position sees only itself in all layers; the ratio must be 1.
// Cost: the judged sequences through all layers once, for the ratio by layer; two layers for everything else.

#include <cstdio>

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/value_aggregation.h"

namespace replicate {
namespace {

constexpr const char* kVarianceRatio = "variance_ratio_first_to_rest";

/// Of position and variance [R, P], by row: [R].
Tensor position_spearman(const Tensor& variances) {
  const auto x = variance_positions();
  const auto rows = variances.contiguous();
  std::vector<double> all;
  for (int64_t r = 0; r < rows.size(0); ++r) {
    all.push_back(spearman(x, {rows.const_data_ptr<double>() + r * rows.size(1), x.size()}));
  }
  return at::tensor(all, at::kDouble);
}

/// What is observed of one condition.
struct Observed {
  Condition on;
  std::shared_ptr<PositionVariance> variance;     // of head outputs over sequences
  std::shared_ptr<AggregationProbe> aggregation;  // attention and values, which predict it

  /// Of all sequences, in layer 1.
  double ratio() const { return variance->ratio(1, even_weights(on.tokens->sequences())).item<double>(); }
};

void report_series(const Observed& one, int64_t layer, Measure& measure) {
  const auto& seen = one.aggregation->layer(layer);
  const auto x = variance_positions();
  measure.population_series(in_layer("variance_by_position", layer), one.on, "position", x,
                            [&](const Tensor& weights) { return one.variance->by_position(layer, weights); });
  measure.series(in_layer("deviation_by_position", layer), one.on, "position", x, seen.deviation);
  const auto even = even_weights(one.on.tokens->sequences());
  measure.curve(in_layer("predicted_variance", layer), one.on, "position", x, predicted_variance(seen, even, 1));
  measure.curve(in_layer("predicted_variance_correlated", layer), one.on, "position", x,
                predicted_variance(seen, even, kVariancePositions));
}

/// The outlier, the decay with position, and how much of it the two predictions explain, from weights [R, B]: [R, 5].
Tensor variance_metrics(const Observed& one, int64_t layer, const Tensor& weights) {
  const auto& seen = one.aggregation->layer(layer);
  const auto variance = one.variance->by_position(layer, weights);  // [R, P]
  const auto ratio = variance.select(1, 0) / variance.slice(1, 1).mean(1);
  const auto independent = predicted_variance(seen, weights, 1);
  const auto correlated = predicted_variance(seen, weights, kVariancePositions);
  return at::stack({ratio, ratio - 1, position_spearman(variance), averaging_r2(variance, independent),
                    averaging_r2(variance, correlated)},
                   1);
}

void report_condition(const Observed& one, const std::vector<int64_t>& layers, Measure& measure) {
  for (const auto layer : layers) {
    report_series(one, layer, measure);
    if (same_first_token(one.on)) continue;
    measure.population(
        {kVarianceRatio, "variance_excess", "variance_position_spearman", "averaging_r2", "averaging_r2_correlated"},
        one.on, [&](const Tensor& weights) { return variance_metrics(one, layer, weights); }, {{"layer", layer}});
  }
  const auto deviation = one.aggregation->layer(1).deviation;  // [B, P]
  measure.ratio("deviation_ratio_first_to_rest", one.on, deviation.select(1, 0), deviation.slice(1, 1).mean(1));
}

/// The control: without averaging no position is an outlier.
void report_self_only(const Condition& on, const PositionVariance& variance, int64_t layer, Measure& measure) {
  measure.population_series(in_layer("variance_by_position_self_only", layer), on, "position", variance_positions(),
                            [&](const Tensor& weights) { return variance.by_position(layer, weights); });
  if (same_first_token(on)) return;
  measure.population({"variance_excess_self_only"}, on,
                     [&](const Tensor& weights) { return (variance.ratio(layer, weights) - 1).unsqueeze(1); },
                     {{"layer", layer}});
}

std::string what_arithmetic_gives(double trained, double null) {
  // An even mean of t + 1 independent values keeps 1 / (t + 1) of their variance.
  const double even = 1 / uniform_attention(0, kVariancePositions);
  char text[300];
  std::snprintf(text, sizeof text,
                "In layer 1 position 0 varies %.1f times as much as positions 1 to 31; with re-initialised "
                "weights %.1f times; even averages of independent values would make it %.1f.",
                trained, null, even);
  return text;
}

void report_against_null(const Observed& trained, const Observed& null, const std::vector<int64_t>& layers,
                         Measure& measure) {
  const auto& on = trained.on;
  if (on.tokens->sequences() > 1) measure.note(what_arithmetic_gives(trained.ratio(), null.ratio()));
  if (!same_ids(*null.on.tokens, *on.tokens)) return;
  measure_minus_null(std::string(kVarianceRatio) + "_minus_null", on, layers, *trained.variance, *null.variance,
                     measure);
}

Observed observe(Claim& claim, const Condition& on, const std::vector<int64_t>& layers, bool every_layer) {
  require_positions(on, "variance_discrepancy");
  auto run = claim.run(on);
  return {on, run.add(std::make_shared<PositionVariance>(Site::head_output, layers, every_layer)),
          run.add(std::make_shared<AggregationProbe>(layers))};
}

std::shared_ptr<PositionVariance> observe_self_only(Claim& claim, const Condition& on,
                                                    const std::vector<int64_t>& layers) {
  return claim.run(on, {IdentityAttention{{1, on.layers()}}})
      .add(std::make_shared<PositionVariance>(Site::head_output, layers, false));
}

void variance_discrepancy(Claim& claim) {
  const bool beside = claim.reports_others;
  const auto layers = variance_layers(claim.config());
  std::vector<Observed> observed;  // the judged condition first, the null model last
  for (const auto& on : beside ? claim.conditions() : std::vector{claim.primary()}) {
    observed.push_back(observe(claim, on, layers, beside && observed.empty()));
    claim.report([=, one = observed.back()](Measure& measure) { report_condition(one, layers, measure); });
  }
  const auto judged = observed.front(), last = observed.back();
  const auto self_only = observe_self_only(claim, judged.on, layers);
  claim.report([=](Measure& measure) {
    for (const auto layer : layers) report_self_only(judged.on, *self_only, layer, measure);
    if (same_first_token(judged.on)) {
      measure.inapplicable(
          "every sequence begins with the same token: the variance at position 0 is 0 by construction");
      return;
    }
    if (beside) measure_by_layer(kVarianceRatio, judged.on, *judged.variance, measure);
    if (last.on.suffix == "_null") report_against_null(judged, last, layers, measure);
  });
}

REPLICATE_CLAIM(variance_discrepancy, "judged_on", "random", "natural", "null_model");

}  // namespace
}  // namespace replicate
