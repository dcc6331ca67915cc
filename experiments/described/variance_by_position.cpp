// Beside the claim variance_discrepancy: the variance of head outputs by position and by layer, on other inputs and in
// a re-initialised model, and how much of it averaging explains. The variance is predicted from attention and values
// alone, without a fitted parameter. Layer 1, where the values of random tokens are independent, stands beside layer 2,
// the paper's layer 1. Cost: the judged sequences through all layers once, for the ratio by layer; two layers for
// everything else.

#include <cstdio>

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/value_aggregation.h"

namespace replicate {
namespace {

constexpr const char* kVarianceRatio = "variance_ratio_first_to_rest";

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

/// The outlier, the decay with position, and how much of it the two predictions explain, from weights [R, B]: [R, 4].
Tensor variance_metrics(const Observed& one, int64_t layer, const Tensor& weights) {
  const auto& seen = one.aggregation->layer(layer);
  const auto variance = one.variance->by_position(layer, weights);  // [R, P]
  const auto ratio = variance.select(1, 0) / variance.slice(1, 1).mean(1);
  const auto independent = predicted_variance(seen, weights, 1);
  const auto correlated = predicted_variance(seen, weights, kVariancePositions);
  return at::stack(
      {ratio, position_spearman(variance), averaging_r2(variance, independent), averaging_r2(variance, correlated)}, 1);
}

void report_condition(const Observed& one, const std::vector<int64_t>& layers, Measure& measure) {
  for (const auto layer : layers) {
    report_series(one, layer, measure);
    if (same_first_token(one.on)) continue;
    measure.population({kVarianceRatio, "variance_position_spearman", "averaging_r2", "averaging_r2_correlated"},
                       one.on, [&](const Tensor& weights) { return variance_metrics(one, layer, weights); },
                       {{"layer", layer}});
  }
  const auto deviation = one.aggregation->layer(1).deviation;  // [B, P]
  measure.ratio("deviation_ratio_first_to_rest", one.on, deviation.select(1, 0), deviation.slice(1, 1).mean(1));
}

std::string what_arithmetic_gives(double trained, double null) {
  // An even mean of t + 1 independent values keeps 1 / (t + 1) of their variance.
  const double even = 1 / uniform_attention(0, kVariancePositions);
  char text[300];
  std::snprintf(text, sizeof text,
                "In layer 1 position 0 varies %.1f times as much as positions 1 to 31; with re-initialised "
                "weights %.1f times; uniform averages of independent values would give %.1f.",
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
  auto run = claim.run(on);
  return {on, run.add(std::make_shared<PositionVariance>(Site::head_output, layers, every_layer)),
          run.add(std::make_shared<AggregationProbe>(layers))};
}

void variance_by_position(Claim& claim) {
  const auto layers = variance_layers(claim.config());
  std::vector<Observed> observed;  // the judged condition first, the null model last
  for (const auto& on : conditions_with_positions(claim)) {
    observed.push_back(observe(claim, on, layers, observed.empty()));
    claim.report([=, one = observed.back()](Measure& measure) { report_condition(one, layers, measure); });
  }
  if (observed.empty()) return;
  const auto judged = observed.front(), last = observed.back();
  if (same_first_token(judged.on)) return;
  claim.report([=](Measure& measure) {
    measure_by_layer(kVarianceRatio, judged.on, *judged.variance, measure);
    if (last.on.suffix == "_null") report_against_null(judged, last, layers, measure);
  });
}

REPLICATE_DESCRIPTION(variance_discrepancy, variance_by_position, "judged_on", "random", "natural", "null_model");

}  // namespace
}  // namespace replicate
