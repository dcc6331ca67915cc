// Heads that attend sharply (low entropy) average less, so that their outputs vary more over texts (paper, figure
// 13: low entropy, high output variance). That much is arithmetic: the variance of a mean of independent values is
// E[sum_k A^2] times theirs, and untrained weights show it too. What is judged is therefore the difference
// between the trained model and re-initialised ones on the same ids.
// A sink can turn the relation round: a head that looks at position 0 alone has low entropy, and what it takes from
// there hardly varies. Hence the correlation of variance with attention to position 0, and means over the layers
// before the onset and over the sink layers, are reported beside it.
// Cost: one forward pass per condition and one more per null model.

#include <numeric>

#include "base/error.h"
#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/head_products.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

// A rank correlation over few heads moves in steps, which BCa takes for bias: with it, 5 of 40 re-initialised models
// pass, with percentiles 1 does (tests/calibration/calibrate.cpp).
constexpr Resampling kPercentiles{.corrected = false};

/// Spearman's correlation along the last axis of x and y [R, H]: [R].
Tensor spearman_of_rows(const Tensor& x, const Tensor& y) {
  const auto a = x.contiguous(), b = y.contiguous();
  const auto heads = static_cast<size_t>(x.size(1));
  auto result = at::empty({x.size(0)}, at::kDouble);
  for (int64_t r = 0; r < x.size(0); ++r) {
    const std::span<const double> row_a(a.const_data_ptr<double>() + r * heads, heads);
    const std::span<const double> row_b(b.const_data_ptr<double>() + r * heads, heads);
    result.mutable_data_ptr<double>()[r] = spearman(row_a, row_b);
  }
  return result;
}

/// Means over the queries q >= 1: [b, H].
Tensor mean_entropy(const AttentionStatistics& statistics) {
  return statistics.entropy.slice(2, 1).mean(2, false, at::kDouble);
}
Tensor mean_attention_to_first(const AttentionStatistics& statistics) {
  return statistics.column(0).slice(2, 1).mean(2, false, at::kDouble);
}

struct Observed {
  Condition condition;
  std::shared_ptr<Watch> entropy = watch_attention({.entropy = true}, mean_entropy);  // [B, L, H]
  std::shared_ptr<Watch> to_first = watch_attention({.columns = {0}}, mean_attention_to_first);
  std::shared_ptr<HeadProducts> outputs = std::make_shared<HeadProducts>();

  Lane lane() const { return {condition.model, condition.tokens, {}, {entropy, to_first, outputs}}; }

  /// Correlation across heads of what `watch` saw with the output variance, by layer: [R, L].
  Tensor correlation(const Watch& watch, const Tensor& weights) const {
    std::vector<Tensor> layers;
    for (int64_t layer = 1; layer <= outputs->layers(); ++layer) {
      layers.push_back(spearman_of_rows(at::matmul(weights, watch.layer(layer)), outputs->variance(layer, weights)));
    }
    return at::stack(layers, 1);
  }
  Tensor correlation(const Tensor& weights) const { return correlation(*entropy, weights); }
};

/// Mean over models of their correlations by layer: [R, L].
Tensor mean_correlation(const std::vector<Observed>& models, const Tensor& weights) {
  std::vector<Tensor> all;
  for (const auto& one : models) all.push_back(one.correlation(weights));
  return at::stack(all).mean(0);
}

/// Layers over which correlations are averaged, and what their metrics are called.
struct LayerGroup {
  std::string suffix;
  Tensor index;  // layer - 1
};

std::vector<LayerGroup> layer_groups(const SinkProfile& sinks, int64_t layers) {
  std::vector<LayerGroup> groups{{"", at::arange(layers, at::kLong)}};
  if (sinks.sink_layers.empty()) return groups;
  if (sinks.onset_layer() > 1) {
    groups.push_back({"_before_onset", at::arange(sinks.onset_layer() - 1, at::kLong)});
  }
  groups.push_back({"_sink_layers", at::tensor(sinks.sink_layers, at::kLong) - 1});
  return groups;
}

std::vector<std::string> names_of(const std::string& name, const std::vector<LayerGroup>& groups,
                                  const std::string& ending = {}) {
  std::vector<std::string> names;
  for (const auto& group : groups) names.push_back(name + group.suffix + ending);
  return names;
}

/// [R, L] -> [R, groups]
Tensor over_groups(const Tensor& by_layer, const std::vector<LayerGroup>& groups) {
  std::vector<Tensor> means;
  for (const auto& group : groups) means.push_back(by_layer.index_select(1, group.index).mean(1));
  return at::stack(means, 1);
}

std::vector<double> up_to(int64_t n) {
  std::vector<double> x(n);
  std::iota(x.begin(), x.end(), 1);
  return x;
}

class HeadImbalance : public Experiment {
 public:
  Plan plan(const Context& context) override {
    Plan plan;
    observed_.push_back({context.primary()});
    if (const auto random = context.condition("random")) observed_.push_back({*random});
    const auto& tokens = observed_.front().condition.tokens;
    if (tokens->length() < 2) {
      throw Error("sequences of one token have no other positions", "head_imbalance", "use longer sequences");
    }
    for (int64_t i = 0; i < context.parameters.integer("null_models"); ++i) {
      nulls_.push_back({Condition{tokens, context.reinitialised(i), "_null"}});
    }
    for (const auto* models : {&observed_, &nulls_}) {
      for (const auto& one : *models) plan.push_back(one.lane());
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    for (const auto& one : observed_) correlations(one, context, measure);
    if (!nulls_.empty()) against_null(context, measure);
    if (!context.reports_others) return measure.take();
    for (const auto layer : shown_layers(context.survey.sinks)) {
      for (const auto& one : observed_) heads(one, layer, measure);
      if (!nulls_.empty()) sorted_heads(nulls_.front(), layer, measure);
    }
    maps(context.config().layers, measure);
    return measure.take();
  }

 private:
  /// Layer 1, and a sink layer in the middle of those there are.
  static std::vector<int64_t> shown_layers(const SinkProfile& sinks) {
    std::vector<int64_t> layers{1};
    if (!sinks.sink_layers.empty()) layers.push_back(sinks.sink_layers[sinks.sink_layers.size() / 2]);
    if (layers.back() == 1) layers.resize(1);
    return layers;
  }

  static void correlations(const Observed& one, const Context& context, Measure& measure) {
    const auto layers = context.config().layers;
    const auto groups = layer_groups(context.survey.sinks, layers);
    const auto both = [&](const std::string& name, const Watch& watch) {
      const auto by_layer = [&](const Tensor& weights) { return one.correlation(watch, weights); };
      measure.population(names_of(name, groups), one.condition,
                         [&](const Tensor& weights) { return over_groups(by_layer(weights), groups); });
      if (context.reports_others) {
        measure.population_series(name, one.condition, "layer", up_to(layers), by_layer);
      }
    };
    both("entropy_variance_spearman", *one.entropy);
    if (context.reports_others) both("attention_to_first_variance_spearman", *one.to_first);
  }

  /// The null models saw the same ids, so that one resample draws the same sequences for both sides.
  void against_null(const Context& context, Measure& measure) const {
    const auto& primary = observed_.front();
    const auto layers = context.config().layers;
    const auto groups = layer_groups(context.survey.sinks, layers);
    const auto by_layer = [&](const Tensor& weights) { return mean_correlation(nulls_, weights); };
    measure.population(
        names_of("entropy_variance_spearman", groups, "_minus_null"), primary.condition,
        [&](const Tensor& weights) { return over_groups(primary.correlation(weights) - by_layer(weights), groups); },
        {}, kPercentiles);
    const auto& condition = nulls_.front().condition;
    measure.population(names_of("entropy_variance_spearman", groups), condition,
                       [&](const Tensor& weights) { return over_groups(by_layer(weights), groups); });
    if (!context.reports_others) return;
    measure.population_series("entropy_variance_spearman", condition, "layer", up_to(layers), by_layer);
  }

  /// All heads of all layers, layers by heads.
  void maps(int64_t layers, Measure& measure) const {
    const auto& one = observed_.front();
    const auto n = one.condition.tokens->sequences();
    const auto even = at::full({1, n}, 1.0 / static_cast<double>(n), at::kDouble);
    std::vector<Tensor> entropy, variance;
    for (int64_t layer = 1; layer <= layers; ++layer) {
      entropy.push_back(one.entropy->layer(layer).mean(0));
      variance.push_back(one.outputs->variance(layer, even)[0]);
    }
    measure.map("attention_entropy", one.condition, "Attention entropy in nats, layers by heads", {},
                at::stack(entropy));
    measure.map("head_output_variance", one.condition, "Variance of head outputs, layers by heads", {},
                at::stack(variance));
  }

  static void heads(const Observed& one, int64_t layer, Measure& measure) {
    for (int64_t h = 0; h < one.entropy->layer(layer).size(1); ++h) {
      const std::map<std::string, int64_t> where{{"layer", layer}, {"head", h + 1}};
      measure.mean("attention_entropy", one.condition, one.entropy->layer(layer).select(1, h), where);
      measure.population(
          {"head_output_variance"}, one.condition,
          [&](const Tensor& weights) { return one.outputs->variance(layer, weights).slice(1, h, h + 1); }, where);
    }
    sorted_heads(one, layer, measure);
  }

  /// The heads of a layer by rising entropy, as figure 13 shows them.
  static void sorted_heads(const Observed& one, int64_t layer, Measure& measure) {
    const auto suffix = layer == 1 ? std::string("_layer1") : std::string("_sink_layer");
    const auto order = one.entropy->layer(layer).mean(0).argsort();
    const auto ranks = up_to(order.numel());
    measure.series("attention_entropy" + suffix, one.condition, "head_rank", ranks,
                   one.entropy->layer(layer).index_select(1, order));
    measure.population_series(
        "head_output_variance" + suffix, one.condition, "head_rank", ranks,
        [&](const Tensor& weights) { return one.outputs->variance(layer, weights).index_select(1, order); });
  }

  std::vector<Observed> observed_;  // the primary condition first
  std::vector<Observed> nulls_;
};

REPLICATE_EXPERIMENT(head_imbalance, HeadImbalance, "natural", "random", "null_models");

}  // namespace
}  // namespace replicate
