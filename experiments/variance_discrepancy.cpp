// Averaging t + 1 value vectors shrinks how much position t's head output varies over inputs; position 0 averages
// only itself and stays the high-variance outlier (paper, figures 1 and 4: layer 1, random tokens, monotone decay).
// Measured in our layer 1, where the values of random tokens are independent, and in layer 2, the paper's "layer 1".
// The variance is also predicted from attention and values alone, without a fitted parameter. It holds by arithmetic
// at random initialisation, so the re-initialised model stands beside it.
// Control: every position sees only itself in all layers; the ratio must be 1.
// Cost: the judged sequences through all layers once, for the ratio by layer; two layers for everything else.

#include <cstdio>

#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/value_aggregation.h"

namespace replicate {
namespace {

/// Of position and variance: [R, P] -> [R]
Tensor position_spearman(const Tensor& variances) {
  const auto x = variance_positions();
  const auto rows = variances.contiguous();
  std::vector<double> all;
  for (int64_t r = 0; r < rows.size(0); ++r) {
    all.push_back(spearman(x, {rows.const_data_ptr<double>() + r * rows.size(1), x.size()}));
  }
  return at::tensor(all, at::kDouble);
}

struct Observed {
  Condition condition;
  std::shared_ptr<PositionVariance> variance;
  std::shared_ptr<AggregationProbe> aggregation;
};

class VarianceDiscrepancy : public Experiment {
 public:
  Plan plan(const Context& context) override {
    layers_ = variance_layers(context.config());
    for (const auto& condition : context.conditions()) {
      const bool judged = observed_.empty();
      if (!judged && !context.reports_others) break;
      observed_.push_back(add(condition, judged && context.reports_others));
    }
    self_only_ = std::make_shared<PositionVariance>(Site::head_output, layers_, false);
    const LayerRange all{1, context.config().layers};
    plan_.push_back({judged().model, judged().tokens, {IdentityAttention{all}}, {self_only_}});
    return std::move(plan_);
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    for (const auto& one : observed_) describe(one, measure);
    control(measure);
    if (same_first_token(judged())) {
      measure.inapplicable(
          "every sequence begins with the same token: the variance at position 0 is 0 by construction");
    } else {
      beside(context, measure);
    }
    return measure.take();
  }

 private:
  const Condition& judged() const { return observed_.front().condition; }

  Observed add(const Condition& condition, bool every_layer) {
    require_positions(condition, "variance_discrepancy");
    Observed one{condition, std::make_shared<PositionVariance>(Site::head_output, layers_, every_layer),
                 std::make_shared<AggregationProbe>(layers_)};
    plan_.push_back({condition.model, condition.tokens, {}, {one.variance, one.aggregation}});
    return one;
  }

  void describe(const Observed& one, Measure& measure) const {
    for (const auto layer : layers_) {
      series(one, layer, measure);
      if (!same_first_token(one.condition)) metrics(one, layer, measure);
    }
    const auto deviation = one.aggregation->layer(1).deviation;
    measure.ratio("deviation_ratio_first_to_rest", one.condition, deviation.select(1, 0),
                  deviation.slice(1, 1).mean(1));
  }

  static void series(const Observed& one, int64_t layer, Measure& measure) {
    const auto& seen = one.aggregation->layer(layer);
    const auto x = variance_positions();
    measure.population_series(in_layer("variance_by_position", layer), one.condition, "position", x,
                              [&](const Tensor& w) { return one.variance->by_position(layer, w); });
    measure.series(in_layer("deviation_by_position", layer), one.condition, "position", x, seen.deviation);
    const auto even = even_weights(one.condition.tokens->sequences());
    measure.curve(in_layer("predicted_variance", layer), one.condition, "position", x,
                  predicted_variance(seen, even, 1));
    measure.curve(in_layer("predicted_variance_correlated", layer), one.condition, "position", x,
                  predicted_variance(seen, even, kVariancePositions));
  }

  static void metrics(const Observed& one, int64_t layer, Measure& measure) {
    const auto& seen = one.aggregation->layer(layer);
    const auto all = [&](const Tensor& weights) {
      const auto variance = one.variance->by_position(layer, weights);
      const auto ratio = variance.select(1, 0) / variance.slice(1, 1).mean(1);
      const auto independent = predicted_variance(seen, weights, 1);
      const auto correlated = predicted_variance(seen, weights, kVariancePositions);
      return at::stack({ratio, ratio - 1, position_spearman(variance), averaging_r2(variance, independent),
                        averaging_r2(variance, correlated)},
                       1);
    };
    measure.population({"variance_ratio_first_to_rest", "variance_excess", "variance_position_spearman", "averaging_r2",
                        "averaging_r2_correlated"},
                       one.condition, all, {{"layer", layer}});
  }

  void control(Measure& measure) const {
    const auto& condition = judged();
    for (const auto layer : layers_) {
      measure.population_series(in_layer("variance_by_position_self_only", layer), condition, "position",
                                variance_positions(),
                                [&](const Tensor& w) { return self_only_->by_position(layer, w); });
      if (same_first_token(condition)) continue;
      measure.population({"variance_excess_self_only"}, condition,
                         [&](const Tensor& w) { return (self_only_->ratio(layer, w) - 1).unsqueeze(1); },
                         {{"layer", layer}});
    }
  }

  void beside(const Context& context, Measure& measure) const {
    const auto& trained = observed_.front();
    const auto& null = observed_.back();
    if (context.reports_others) {
      measure_by_layer("variance_ratio_first_to_rest", judged(), *trained.variance, measure);
    }
    if (null.condition.suffix != "_null") return;
    if (judged().tokens->sequences() > 1) {
      measure.note(what_arithmetic_gives(ratio(trained), ratio(null)));
    }
    if (!same_ids(*null.condition.tokens, *judged().tokens)) return;
    measure_minus_null("variance_ratio_first_to_rest_minus_null", judged(), layers_, *trained.variance, *null.variance,
                       measure);
  }

  static std::string what_arithmetic_gives(double trained, double null) {
    // An even mean of t + 1 independent values keeps 1 / (t + 1) of their variance.
    const double even = 1 / uniform_attention(0, kVariancePositions);
    char text[300];
    std::snprintf(text, sizeof text,
                  "In layer 1 position 0 varies %.1f times as much as positions 1 to 31; with re-initialised "
                  "weights %.1f times; even averages of independent values would make it %.1f.",
                  trained, null, even);
    return text;
  }

  /// Of all sequences, in layer 1.
  static double ratio(const Observed& one) {
    return one.variance->ratio(1, even_weights(one.condition.tokens->sequences())).item<double>();
  }

  Plan plan_;
  std::vector<int64_t> layers_;
  std::vector<Observed> observed_;  // the judged condition first
  std::shared_ptr<PositionVariance> self_only_;
};

REPLICATE_EXPERIMENT(variance_discrepancy, VarianceDiscrepancy, "judged_on", "random", "natural", "null_model");

}  // namespace
}  // namespace replicate
