// What surrounds the claim qk_locking: alignment, positive scores, margin and constancy of keys in every layer, on
// other inputs and in re-initialised weights, their means over all sink layers and in layer 1, and the heads of all
// sink layers. The share of positive scores is no property of attention (softmax ignores a shift of all scores), so the
// margin of the score over all other keys together stands beside it. Cost: one forward pass per condition, the scores a
// second time, and one K x K eigenproblem per sequence and head.

#include "harness/study/claim.h"
#include "harness/study/measures/query_key_probe.h"
#include "harness/study/population.h"

namespace replicate {
namespace {

using Layers = std::vector<int64_t>;

const std::vector<std::pair<QueryKey, std::string>> kQuantities = {
    {QueryKey::alignment, "key_query_alignment"},
    {QueryKey::weights_alignment, "key_query_alignment_weights"},
    {QueryKey::positive_share, "positive_score_share"},
    {QueryKey::margin, "score_margin"},
    {QueryKey::alignment_others, "key_query_alignment_others"},
    {QueryKey::positive_share_others, "positive_score_share_others"},
    {QueryKey::margin_others, "score_margin_others"}};

/// What is observed of one condition.
struct Observed {
  Condition on;
  std::shared_ptr<QueryKeyProbe> probe;
};

/// Mean over the layers of f(layer) [...]: [...].
template <typename F>
Tensor mean_over(const Layers& layers, F f) {
  std::vector<Tensor> all;
  for (const auto layer : layers) all.push_back(f(layer));
  return at::stack(all).mean(0);
}

/// One quantity, mean over heads and layers: [B].
Tensor over_heads(const Observed& one, const Layers& layers, QueryKey quantity) {
  return mean_over(layers, [&](int64_t layer) { return one.probe->heads(layer, quantity).mean(1); });
}

/// Of the keys of two sequences, of position 0 or of the others, mean over layers: [B, B].
Tensor key_cosines(const Observed& one, const Layers& layers, bool first) {
  return mean_over(layers, [&](int64_t layer) { return one.probe->key_cosines(layer, first); });
}

/// Mean pairwise cosine of keys, from weights [R, B]: [R].
Tensor constancy(const Observed& one, const Layers& layers, bool first, const Tensor& weights) {
  return mean_pairwise(weights, key_cosines(one, layers, first));
}

/// The same of position 0 over pairs of sequences that begin with different tokens: [R]. Texts often begin alike
/// (a line break), and then the first keys are one and the same vector in every model.
Tensor constancy_distinct(const Observed& one, const Layers& layers, const Tensor& weights) {
  const auto ids = one.on.tokens->ids.select(1, 0);                           // [B]
  const auto differ = ids.unsqueeze(0).ne(ids.unsqueeze(1)).to(at::kDouble);  // [B, B]
  const auto sum = [&](const Tensor& x) { return (at::matmul(weights, x) * weights).sum(-1); };
  return sum(key_cosines(one, layers, true) * differ) / sum(differ);
}

/// f(layer) [X] of each layer 1..L: [X, L].
template <typename F>
Tensor each_layer(int64_t layers, F f) {
  std::vector<Tensor> all;
  for (int64_t layer = 1; layer <= layers; ++layer) all.push_back(f(layer));
  return at::stack(all, 1);
}

void report_by_layer(const Observed& one, Measure& measure) {
  const auto layers = one.on.layers();
  for (const auto& [quantity, name] : kQuantities) {
    const auto of_layer = [&, wanted = quantity](int64_t layer) { return over_heads(one, {layer}, wanted); };
    measure.by_layer(name, one.on, each_layer(layers, of_layer), layers);
  }
  for (const bool first : {true, false}) {
    measure.population_series(first ? "key_constancy" : "key_constancy_others", one.on, "layer", layer_numbers(layers),
                              [&](const Tensor& weights) {
                                return each_layer(
                                    layers, [&](int64_t layer) { return constancy(one, {layer}, first, weights); });
                              });
  }
}

/// How the keys and scores on position 0 are, beside those on other positions, in the layers with a sink.
void report_over_sinks(const Observed& one, const Layers& sinks, Measure& measure) {
  for (const auto& [quantity, name] : kQuantities) measure.mean(name, one.on, over_heads(one, sinks, quantity));
  const auto share = over_heads(one, sinks, QueryKey::positive_share);
  measure.mean("positive_score_share_over_others", one.on,
               share - over_heads(one, sinks, QueryKey::positive_share_others));
  measure.population({"key_constancy", "key_constancy_others", "key_constancy_over_others", "key_constancy_distinct"},
                     one.on, [&](const Tensor& weights) {
                       const auto first = constancy(one, sinks, true, weights);
                       const auto others = constancy(one, sinks, false, weights);
                       const auto distinct = constancy_distinct(one, sinks, weights);
                       return at::stack({first, others, first - others, distinct}, 1);
                     });
}

/// A layer without a sink.
void report_layer_one(const Observed& one, Measure& measure) {
  const Layers layer{1};
  for (const auto& [quantity, name] : kQuantities) {
    measure.mean(name + "_layer1", one.on, over_heads(one, layer, quantity));
  }
  const auto share = over_heads(one, layer, QueryKey::positive_share);
  measure.mean("positive_score_share_over_others_layer1", one.on,
               share - over_heads(one, layer, QueryKey::positive_share_others));
  measure.population({"key_constancy_layer1", "key_constancy_distinct_layer1"}, one.on, [&](const Tensor& weights) {
    return at::stack({constancy(one, layer, true, weights), constancy_distinct(one, layer, weights)}, 1);
  });
}

/// One quantity of every head of every layer, layer by layer: [B, layers x H].
Tensor all_heads(const Observed& one, const Layers& layers, QueryKey quantity) {
  std::vector<Tensor> all;
  for (const auto layer : layers) all.push_back(one.probe->heads(layer, quantity));
  return at::cat(all, 1);
}

/// Whether the heads with the best aligned keys are those with most positive scores.
void report_across_heads(const Observed& one, const Layers& sinks, Measure& measure) {
  const auto aligned = all_heads(one, sinks, QueryKey::alignment);
  const auto share = all_heads(one, sinks, QueryKey::positive_share);
  const auto heads = aligned.size(1) / static_cast<int64_t>(sinks.size());
  std::vector<SampleColumn> columns;
  for (const auto* name : {"key_query_alignment", "positive_score_share"}) {
    for (const auto layer : sinks) {
      for (int64_t h = 1; h <= heads; ++h) columns.push_back({name, {{"layer", layer}, {"head", h}}});
    }
  }
  measure.of_means({"alignment_positivity_spearman"}, one.on, columns, at::cat({aligned, share}, 1),
                   [](std::span<const double> means) {
                     const auto half = means.size() / 2;
                     return std::vector<double>{spearman(means.first(half), means.subspan(half))};
                   });
}

/// Figure 12's scatter as two curves over the heads of all sink layers, sorted by alignment.
void report_sorted_heads(const Observed& one, const Layers& sinks, Measure& measure) {
  const auto aligned = all_heads(one, sinks, QueryKey::alignment);
  const auto share = all_heads(one, sinks, QueryKey::positive_share);
  const auto order = aligned.mean(0).argsort();  // [sinks x H]
  const auto ranks = counted(order.numel());
  measure.series("key_query_alignment_by_head", one.on, "head_rank", ranks, aligned.index_select(1, order));
  measure.series("positive_score_share_by_head", one.on, "head_rank", ranks, share.index_select(1, order));
}

/// In all layers.
Observed observe(Claim& claim, const Condition& on) {
  return {on, claim.run(on).add(std::make_shared<QueryKeyProbe>(Layers{}, claim.config().head_width, on.length()))};
}

void keys_by_layer(Claim& claim) {
  std::vector<Observed> observed;  // the judged condition first
  for (const auto& on : claim.conditions()) {
    observed.push_back(observe(claim, on));
    claim.report([one = observed.back()](Measure& measure) { report_by_layer(one, measure); });
  }
  const auto sinks = claim.sinks();
  for (const auto& one : observed) {
    claim.report([=](Measure& measure) {
      report_over_sinks(one, sinks, measure);
      report_across_heads(one, sinks, measure);
      if (sinks.front() != 1) report_layer_one(one, measure);
    });
  }
  claim.report([=, judged = observed.front()](Measure& measure) { report_sorted_heads(judged, sinks, measure); });
}

REPLICATE_DESCRIPTION(qk_locking, keys_by_layer, "random", "null_model");

}  // namespace
}  // namespace replicate
