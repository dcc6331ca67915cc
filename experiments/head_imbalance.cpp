// Heads that attend sharply (low entropy) average less, so that their outputs vary more over texts (paper, figure
// 13: low entropy, high output variance). That much is arithmetic: the variance of a mean of independent values is
// E[sum_k A^2] times theirs, and untrained weights show it too. What is judged is therefore the difference
// between the trained model and re-initialised ones on the same ids.
// A sink can turn the relation round: a head that looks at position 0 alone has low entropy, and what it takes from
// there hardly varies. Hence the correlation of variance with attention to position 0, and means over the layers
// before the onset and over the sink layers, are reported beside it.
// Cost: one forward pass per condition and one more per null model.

#include "harness/study/claim.h"
#include "harness/study/measures/head_products.h"
#include "harness/study/measures/position_variance.h"
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

/// What is observed of one condition, or of one re-initialised model on the judged ids.
struct Observed {
  Condition on;
  std::shared_ptr<Watch> entropy, to_first;  // [B, L, H]
  std::shared_ptr<HeadProducts> outputs;

  /// Of each head's outputs over sequences, from weights [R, B]: [R, H].
  Tensor variance(int64_t layer, const Tensor& weights) const { return outputs->variance(layer, weights); }
};

Observed observe(Claim& claim, const Condition& on) {
  auto run = claim.run(on);
  return {on, run.add(watch_attention({.entropy = true}, mean_entropy)),
          run.add(watch_attention({.columns = {0}}, mean_attention_to_first)),
          run.add(std::make_shared<HeadProducts>())};
}

/// Correlation across heads of what `watch` saw with the output variance, from weights [R, B], by layer: [R, L].
Tensor correlation(const Observed& one, const Watch& watch, const Tensor& weights) {
  std::vector<Tensor> layers;
  for (int64_t layer = 1; layer <= one.outputs->layers(); ++layer) {
    const auto seen = at::matmul(weights, watch.layer(layer));  // [R, H]
    layers.push_back(spearman_of_rows(seen, one.variance(layer, weights)));
  }
  return at::stack(layers, 1);
}

/// The correlation with entropy, mean over models: [R, L].
Tensor mean_correlation(const std::vector<Observed>& models, const Tensor& weights) {
  std::vector<Tensor> all;
  for (const auto& one : models) all.push_back(correlation(one, *one.entropy, weights));
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

using LayerGroups = std::vector<LayerGroup>;

/// `by_layer` gives correlations [R, L] from weights [R, B].
void report_correlation(const std::string& name, const Condition& on, const LayerGroups& groups, bool with_series,
                        const OfWeights& by_layer, Measure& measure) {
  measure.population(names_of(name, groups), on,
                     [&](const Tensor& weights) { return over_groups(by_layer(weights), groups); });
  if (with_series) measure.population_series(name, on, "layer", layer_numbers(on.layers()), by_layer);
}

void report_correlations(const Observed& one, const LayerGroups& groups, bool beside, Measure& measure) {
  const auto report = [&](const std::string& name, const Watch& watch) {
    const auto by_layer = [&](const Tensor& weights) { return correlation(one, watch, weights); };
    report_correlation(name, one.on, groups, beside, by_layer, measure);
  };
  report("entropy_variance_spearman", *one.entropy);
  if (beside) report("attention_to_first_variance_spearman", *one.to_first);
}

/// The null models saw the same ids, so that one resample draws the same sequences for both sides.
void report_against_null(const Observed& judged, const std::vector<Observed>& nulls, const LayerGroups& groups,
                         bool beside, Measure& measure) {
  const auto by_layer = [&](const Tensor& weights) { return mean_correlation(nulls, weights); };
  const auto difference = [&](const Tensor& weights) {
    return over_groups(correlation(judged, *judged.entropy, weights) - by_layer(weights), groups);
  };
  const std::string name = "entropy_variance_spearman";
  measure.population(names_of(name, groups, "_minus_null"), judged.on, difference, {}, kPercentiles);
  report_correlation(name, nulls.front().on, groups, beside, by_layer, measure);
}

/// Layer 1, and a sink layer in the middle of those there are.
std::vector<int64_t> shown_layers(const SinkProfile& sinks) {
  std::vector<int64_t> layers{1};
  if (!sinks.sink_layers.empty()) layers.push_back(sinks.sink_layers[sinks.sink_layers.size() / 2]);
  if (layers.back() == 1) layers.resize(1);
  return layers;
}

/// The heads of a layer by rising entropy, as figure 13 shows them.
void report_sorted_heads(const Observed& one, int64_t layer, Measure& measure) {
  const auto suffix = layer == 1 ? std::string("_layer1") : std::string("_sink_layer");
  const auto entropy = one.entropy->layer(layer);  // [B, H]
  const auto order = entropy.mean(0).argsort();    // [H]
  const auto ranks = counted(order.numel());
  measure.series("attention_entropy" + suffix, one.on, "head_rank", ranks, entropy.index_select(1, order));
  measure.population_series("head_output_variance" + suffix, one.on, "head_rank", ranks,
                            [&](const Tensor& weights) { return one.variance(layer, weights).index_select(1, order); });
}

void report_heads(const Observed& one, int64_t layer, Measure& measure) {
  const auto entropy = one.entropy->layer(layer);  // [B, H]
  for (int64_t h = 0; h < entropy.size(1); ++h) {
    const std::map<std::string, int64_t> where{{"layer", layer}, {"head", h + 1}};
    measure.mean("attention_entropy", one.on, entropy.select(1, h), where);
    measure.population(
        {"head_output_variance"}, one.on,
        [&](const Tensor& weights) { return one.variance(layer, weights).slice(1, h, h + 1); }, where);
  }
  report_sorted_heads(one, layer, measure);
}

/// All heads of all layers, layers by heads.
void report_maps(const Observed& one, Measure& measure) {
  const auto even = even_weights(one.on.tokens->sequences());
  std::vector<Tensor> entropy, variance;  // [H] each
  for (int64_t layer = 1; layer <= one.on.layers(); ++layer) {
    entropy.push_back(one.entropy->layer(layer).mean(0));
    variance.push_back(one.variance(layer, even)[0]);
  }
  measure.map("attention_entropy", one.on, "Attention entropy in nats, layers by heads", {}, at::stack(entropy));
  measure.map("head_output_variance", one.on, "Variance of head outputs, layers by heads", {}, at::stack(variance));
}

void report_pictures(const std::vector<Observed>& observed, const std::vector<Observed>& nulls,
                     const std::vector<int64_t>& layers, Measure& measure) {
  for (const auto layer : layers) {
    for (const auto& one : observed) report_heads(one, layer, measure);
    if (!nulls.empty()) report_sorted_heads(nulls.front(), layer, measure);
  }
  report_maps(observed.front(), measure);
}

std::vector<Condition> trained_conditions(const Claim& claim) {
  std::vector<Condition> all{claim.primary()};
  require_other_positions(all.front(), "head_imbalance");
  if (const auto random = claim.condition("random")) all.push_back(*random);
  return all;
}

void head_imbalance(Claim& claim) {
  const bool beside = claim.reports_others;
  const auto groups = layer_groups(claim.survey.sinks, claim.config().layers);
  std::vector<Observed> observed, nulls;  // the judged condition first
  for (const auto& on : trained_conditions(claim)) {
    observed.push_back(observe(claim, on));
    claim.report([=, one = observed.back()](Measure& measure) { report_correlations(one, groups, beside, measure); });
  }
  const auto judged = observed.front();
  for (int64_t i = 0; i < claim.parameters.integer("null_models"); ++i) {
    nulls.push_back(observe(claim, {judged.on.tokens, claim.reinitialised(i), "_null"}));
  }
  claim.report([=, shown = shown_layers(claim.survey.sinks)](Measure& measure) {
    if (!nulls.empty()) report_against_null(judged, nulls, groups, beside, measure);
    if (beside) report_pictures(observed, nulls, shown, measure);
  });
}

REPLICATE_CLAIM(head_imbalance, "natural", "random", "null_models");

}  // namespace
}  // namespace replicate
