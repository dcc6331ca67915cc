// Beside the claim head_imbalance: entropy of the heads and variance of their outputs in every layer, on other inputs
// and in re-initialised models, and what averaging alone would make of the variance: the variance of a mean of
// independent values is E[sum_k A^2] times theirs, in any weights. A sink can turn the relation round: a head that
// looks at position 0 alone has low entropy, and what it takes from there hardly varies. Hence the correlation of
// variance with attention to position 0, and means over the layers before the onset and over the sink layers. Cost: one
// forward pass per condition and one more per null model.

#include "harness/study/claim.h"
#include "harness/study/measures/head_products.h"
#include "harness/study/measures/position_variance.h"
#include "harness/study/measures/rank_correlation.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

/// Means over the queries q >= 1: [b, H].
Tensor mean_entropy(const AttentionStatistics& statistics) {
  return statistics.entropy.slice(2, 1).mean(2, false, at::kDouble);
}
Tensor mean_sum_of_squares(const AttentionStatistics& statistics) {
  return statistics.sum_squares.slice(2, 1).mean(2, false, at::kDouble);
}
Tensor mean_attention_to_first(const AttentionStatistics& statistics) {
  return statistics.column(0).slice(2, 1).mean(2, false, at::kDouble);
}

/// Moments of the values over positions: their mean, and the mean of |v|^2. [b, G, T, K] -> [b, G, K + 1]
Tensor moments(const Tensor& value) {
  const auto wide = value.to(at::kDouble);
  return at::cat({wide.mean(2), wide.square().sum(3).mean(2, false).unsqueeze(2)}, 2);
}

/// Squared distance of the values from their mean over sequences and positions, per dimension, from moments
/// [B, G, K + 1]: [R, G].
Tensor value_variance(const Tensor& weights, const Tensor& seen) {
  const auto width = seen.size(2) - 1;
  const auto means = at::matmul(weights, seen.flatten(1)).view({weights.size(0), -1, width + 1});
  return (means.select(2, width) - means.slice(2, 0, width).square().sum(2)) / width;
}

/// What is observed of one condition, or of one re-initialised model on the judged ids.
struct Observed {
  Condition on;
  std::shared_ptr<Watch> entropy, to_first, squares;  // [B, L, H]
  std::shared_ptr<Watch> values;                      // [B, L, G, K + 1]
  std::shared_ptr<HeadProducts> outputs;

  // From weights [R, B]: [R, H].

  /// Of each head's outputs over sequences.
  Tensor variance(int64_t layer, const Tensor& weights) const { return outputs->variance(layer, weights); }
  /// That over what it would be if the values of different positions were independent and attention did not depend on
  /// them: E[sum_k A^2] E|v - vbar|^2 / K.
  Tensor variance_over_predicted(int64_t layer, const Tensor& weights) const;
};

Observed observe(Claim& claim, const Condition& on) {
  auto run = claim.run(on);
  return {on,
          run.add(watch_attention({.entropy = true}, mean_entropy)),
          run.add(watch_attention({.columns = {0}}, mean_attention_to_first)),
          run.add(watch_attention({.sum_squares = true}, mean_sum_of_squares)),
          run.add(watch(Site::value, moments)),
          run.add(std::make_shared<HeadProducts>())};
}

Tensor Observed::variance_over_predicted(int64_t layer, const Tensor& weights) const {
  const auto attention = at::matmul(weights, squares->layer(layer));     // [R, H]
  const auto of_values = value_variance(weights, values->layer(layer));  // [R, G]
  const auto sharing = attention.size(1) / of_values.size(1);
  return variance(layer, weights) / (attention * of_values.repeat_interleave(sharing, 1));
}

/// One of the two quantities above.
using OfHeads = Tensor (Observed::*)(int64_t layer, const Tensor& weights) const;

/// Correlation across heads of what `watch` saw with a quantity, from weights [R, B], by layer: [R, L].
Tensor correlation(const Observed& one, const Watch& watch, OfHeads quantity, const Tensor& weights) {
  std::vector<Tensor> layers;
  for (int64_t layer = 1; layer <= one.outputs->layers(); ++layer) {
    const auto seen = at::matmul(weights, watch.layer(layer));  // [R, H]
    layers.push_back(spearman_of_rows(seen, (one.*quantity)(layer, weights)));
  }
  return at::stack(layers, 1);
}

/// The correlation with entropy, mean over models: [R, L].
Tensor mean_correlation(const std::vector<Observed>& models, const Tensor& weights) {
  std::vector<Tensor> all;
  for (const auto& one : models) all.push_back(correlation(one, *one.entropy, &Observed::variance, weights));
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

std::vector<std::string> names_of(const std::string& name, const std::vector<LayerGroup>& groups) {
  std::vector<std::string> names;
  for (const auto& group : groups) names.push_back(name + group.suffix);
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
void report_correlation(const std::string& name, const Condition& on, const LayerGroups& groups,
                        const OfWeights& by_layer, Measure& measure) {
  measure.population(names_of(name, groups), on,
                     [&](const Tensor& weights) { return over_groups(by_layer(weights), groups); });
  measure.population_series(name, on, "layer", layer_numbers(on.layers()), by_layer);
}

void report_correlations(const Observed& one, const LayerGroups& groups, Measure& measure) {
  const auto report = [&](const std::string& name, const Watch& watch, OfHeads quantity) {
    const auto by_layer = [&](const Tensor& weights) { return correlation(one, watch, quantity, weights); };
    report_correlation(name, one.on, groups, by_layer, measure);
  };
  report("entropy_variance_spearman", *one.entropy, &Observed::variance);
  report("entropy_variance_over_predicted_spearman", *one.entropy, &Observed::variance_over_predicted);
  report("attention_to_first_variance_spearman", *one.to_first, &Observed::variance);
}

/// Layers of which all heads are shown: those of the claim, and a sink layer in the middle of those there are.
struct ShownLayer {
  int64_t layer;
  std::string suffix;  // of series
};

std::vector<ShownLayer> shown_layers(const SinkProfile& sinks, int64_t layers) {
  std::vector<ShownLayer> shown{{1, "_layer1"}};
  if (layers > 1) shown.push_back({2, "_layer2"});
  if (sinks.sink_layers.empty()) return shown;
  const auto middle = sinks.sink_layers[sinks.sink_layers.size() / 2];
  if (middle > 2) shown.push_back({middle, "_sink_layer"});
  return shown;
}

/// The heads of a layer by rising entropy, as figure 13 shows them.
void report_sorted_heads(const Observed& one, const ShownLayer& shown, Measure& measure) {
  const auto entropy = one.entropy->layer(shown.layer);  // [B, H]
  const auto order = entropy.mean(0).argsort();          // [H]
  const auto ranks = counted(order.numel());
  const auto report = [&](const std::string& name, OfHeads quantity) {
    const auto sorted = [&](const Tensor& weights) {
      return (one.*quantity)(shown.layer, weights).index_select(1, order);
    };
    measure.population_series(name + shown.suffix, one.on, "head_rank", ranks, sorted);
  };
  measure.series("attention_entropy" + shown.suffix, one.on, "head_rank", ranks, entropy.index_select(1, order));
  report("head_output_variance", &Observed::variance);
  report("head_variance_over_predicted", &Observed::variance_over_predicted);
}

void report_heads(const Observed& one, const ShownLayer& shown, Measure& measure) {
  const auto layer = shown.layer;
  const auto entropy = one.entropy->layer(layer);  // [B, H]
  for (int64_t h = 0; h < entropy.size(1); ++h) {
    const std::map<std::string, int64_t> where{{"layer", layer}, {"head", h + 1}};
    measure.mean("attention_entropy", one.on, entropy.select(1, h), where);
    measure.population(
        {"head_output_variance"}, one.on,
        [&](const Tensor& weights) { return one.variance(layer, weights).slice(1, h, h + 1); }, where);
  }
  report_sorted_heads(one, shown, measure);
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
                     const std::vector<ShownLayer>& shown, Measure& measure) {
  for (const auto& one_layer : shown) {
    for (const auto& one : observed) report_heads(one, one_layer, measure);
    if (!nulls.empty()) report_sorted_heads(nulls.front(), one_layer, measure);
  }
  report_maps(observed.front(), measure);
}

std::vector<Condition> trained_conditions(const Claim& claim) {
  std::vector<Condition> all{claim.primary()};
  require_other_positions(all.front(), "head_imbalance");
  if (const auto random = claim.condition("random")) all.push_back(*random);
  return all;
}

void entropy_and_variance(Claim& claim) {
  const auto groups = layer_groups(claim.survey.sinks, claim.config().layers);
  std::vector<Observed> observed, nulls;  // the judged condition first
  for (const auto& on : trained_conditions(claim)) {
    observed.push_back(observe(claim, on));
    claim.report([=, one = observed.back()](Measure& measure) { report_correlations(one, groups, measure); });
  }
  for (int64_t i = 0; i < claim.parameters.integer("null_models"); ++i) {
    nulls.push_back(observe(claim, {observed.front().on.tokens, claim.reinitialised(i), "_null"}));
  }
  claim.report([=, shown = shown_layers(claim.survey.sinks, claim.config().layers)](Measure& measure) {
    const auto by_layer = [&](const Tensor& weights) { return mean_correlation(nulls, weights); };
    if (!nulls.empty()) {
      report_correlation("entropy_variance_spearman", nulls.front().on, groups, by_layer, measure);
    }
    report_pictures(observed, nulls, shown, measure);
  });
}

REPLICATE_DESCRIPTION(head_imbalance, entropy_and_variance, "natural", "random", "null_models");

}  // namespace
}  // namespace replicate
