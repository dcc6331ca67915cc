// At a sink the first position's key is nearly the same whatever the token was, and points along the principal
// direction of the queries, so that nearly all scores on it are positive (paper, figure 12: both near 1).
// The share of positive scores is no property of attention (softmax ignores a shift of all scores), so the margin of
// the score over all other keys together stands beside it.
// Controls: the keys of other positions; layer 1, which has no sink; the null model is reported.
// Cost: one forward pass per condition, the scores a second time, and one K x K eigenproblem per sequence and head.

#include <numeric>

#include "base/error.h"
#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/query_key_probe.h"
#include "harness/study/population.h"

namespace replicate {
namespace {

const std::vector<std::pair<QueryKey, std::string>> kQuantities = {
    {QueryKey::alignment, "key_query_alignment"},
    {QueryKey::weights_alignment, "key_query_alignment_weights"},
    {QueryKey::positive_share, "positive_score_share"},
    {QueryKey::margin, "score_margin"},
    {QueryKey::alignment_others, "key_query_alignment_others"},
    {QueryKey::positive_share_others, "positive_score_share_others"},
    {QueryKey::margin_others, "score_margin_others"}};

/// Mean of products [B, B] over the pairs that differ [B, B] allows: [R].
Tensor mean_where(const Tensor& weights, const Tensor& products, const Tensor& differ) {
  const auto sum = [&](const Tensor& x) { return (at::matmul(weights, x) * weights).sum(-1); };
  return sum(products * differ) / sum(differ);
}

struct Observed {
  Condition condition;
  std::shared_ptr<QueryKeyProbe> probe;

  /// One quantity, mean over heads and layers: [B].
  Tensor over(const std::vector<int64_t>& layers, QueryKey quantity) const {
    std::vector<Tensor> all;
    for (const auto layer : layers) all.push_back(probe->heads(layer, quantity).mean(1));
    return at::stack(all).mean(0);
  }
  /// Mean pairwise cosine of keys, averaged over layers: [R].
  Tensor constancy(const std::vector<int64_t>& layers, bool first, const Tensor& weights) const {
    return mean_pairwise(weights, cosines(layers, first));
  }
  /// The same of position 0 over pairs of sequences that begin with different tokens. Texts often begin alike
  /// (a line break), and then the first keys are one and the same vector in every model.
  Tensor constancy_distinct(const std::vector<int64_t>& layers, const Tensor& weights) const {
    const auto ids = condition.tokens->ids.select(1, 0);
    const auto differ = ids.unsqueeze(0).ne(ids.unsqueeze(1)).to(at::kDouble);
    return mean_where(weights, cosines(layers, true), differ);
  }

 private:
  Tensor cosines(const std::vector<int64_t>& layers, bool first) const {
    std::vector<Tensor> all;
    for (const auto layer : layers) all.push_back(probe->key_cosines(layer, first));
    return at::stack(all).mean(0);
  }
};

std::vector<double> up_to(int64_t n) {
  std::vector<double> x(n);
  std::iota(x.begin(), x.end(), 1);
  return x;
}

class QkLocking : public Experiment {
 public:
  Plan plan(const Context& context) override {
    const auto& sinks = context.survey.sinks.sink_layers;
    std::vector<int64_t> layers;  // none: all of them, for the series
    if (!context.reports_others) {
      if (sinks.empty()) return {};
      layers = sinks;
      layers.push_back(1);
    }
    Plan plan;
    // No control needs the null model: a sweep point does without it.
    for (const auto& condition : context.reports_others ? context.conditions() : std::vector{context.primary()}) {
      const auto length = condition.tokens->length();
      if (length < 3) {
        throw Error("no other position has later queries in sequences of " + std::to_string(length), "qk_locking",
                    "use sequences of 3 tokens at least");
      }
      Observed one{condition, std::make_shared<QueryKeyProbe>(layers, context.config().head_width, length)};
      plan.push_back({condition.model, condition.tokens, {}, {one.probe}});
      observed_.push_back(std::move(one));
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    const auto& sinks = context.survey.sinks.sink_layers;
    if (context.reports_others) {
      for (const auto& one : observed_) by_layer(one, context.config().layers, measure);
    }
    if (sinks.empty()) {
      measure.unmet("no sink: the survey found no layer with excess attention to position 0");
      return measure.take();
    }
    for (const auto& one : observed_) {
      over_sink_layers(one, sinks, measure);
      if (context.reports_others) across_heads(one, sinks, measure);
      if (sinks.front() != 1) in_layer_one(one, measure);
    }
    if (sinks.front() == 1) measure.note("Layer 1 is a sink layer itself: that control does not exist.");
    if (context.reports_others) sorted_heads(observed_.front(), sinks, measure);
    return measure.take();
  }

 private:
  static void by_layer(const Observed& one, int64_t layers, Measure& measure) {
    for (const auto& [quantity, name] : kQuantities) {
      std::vector<Tensor> values;
      for (int64_t layer = 1; layer <= layers; ++layer) values.push_back(one.over({layer}, quantity));
      measure.by_layer(name, one.condition, at::stack(values, 1), layers);
    }
    for (const bool first : {true, false}) {
      measure.population_series(first ? "key_constancy" : "key_constancy_others", one.condition, "layer", up_to(layers),
                                [&](const Tensor& weights) {
                                  std::vector<Tensor> all;
                                  for (int64_t layer = 1; layer <= layers; ++layer) {
                                    all.push_back(one.constancy({layer}, first, weights));
                                  }
                                  return at::stack(all, 1);
                                });
    }
  }

  static void over_sink_layers(const Observed& one, const std::vector<int64_t>& sinks, Measure& measure) {
    for (const auto& [quantity, name] : kQuantities) {
      measure.mean(name, one.condition, one.over(sinks, quantity));
    }
    const auto share = one.over(sinks, QueryKey::positive_share);
    measure.mean("positive_score_share_over_others", one.condition,
                 share - one.over(sinks, QueryKey::positive_share_others));
    measure.mean("positive_score_excess", one.condition, share - 0.5);
    measure.population({"key_constancy", "key_constancy_others", "key_constancy_over_others", "key_constancy_distinct"},
                       one.condition, [&](const Tensor& weights) {
                         const auto first = one.constancy(sinks, true, weights);
                         const auto others = one.constancy(sinks, false, weights);
                         return at::stack({first, others, first - others, one.constancy_distinct(sinks, weights)}, 1);
                       });
  }

  static void in_layer_one(const Observed& one, Measure& measure) {
    const std::vector<int64_t> layer{1};
    for (const auto& [quantity, name] : kQuantities) {
      measure.mean(name + "_layer1", one.condition, one.over(layer, quantity));
    }
    const auto share = one.over(layer, QueryKey::positive_share);
    measure.mean("positive_score_excess_layer1", one.condition, share - 0.5);
    measure.mean("positive_score_share_over_others_layer1", one.condition,
                 share - one.over(layer, QueryKey::positive_share_others));
    measure.population(
        {"key_constancy_layer1", "key_constancy_distinct_layer1"}, one.condition, [&](const Tensor& weights) {
          return at::stack({one.constancy(layer, true, weights), one.constancy_distinct(layer, weights)}, 1);
        });
  }

  /// Alignment and share of every head of every sink layer, [B, sink layers x H] each.
  static std::pair<Tensor, Tensor> all_heads(const Observed& one, const std::vector<int64_t>& sinks) {
    std::vector<Tensor> aligned, share;
    for (const auto layer : sinks) {
      aligned.push_back(one.probe->heads(layer, QueryKey::alignment));
      share.push_back(one.probe->heads(layer, QueryKey::positive_share));
    }
    return {at::cat(aligned, 1), at::cat(share, 1)};
  }

  static void across_heads(const Observed& one, const std::vector<int64_t>& sinks, Measure& measure) {
    const auto [aligned, share] = all_heads(one, sinks);
    const auto heads = aligned.size(1) / static_cast<int64_t>(sinks.size());
    std::vector<SampleColumn> columns;
    for (const auto* name : {"key_query_alignment", "positive_score_share"}) {
      for (const auto layer : sinks) {
        for (int64_t h = 1; h <= heads; ++h) columns.push_back({name, {{"layer", layer}, {"head", h}}});
      }
    }
    measure.of_means({"alignment_positivity_spearman"}, one.condition, columns, at::cat({aligned, share}, 1),
                     [](std::span<const double> means) {
                       const auto half = means.size() / 2;
                       return std::vector<double>{spearman(means.first(half), means.subspan(half))};
                     });
  }

  /// Figure 12's scatter as two curves over the heads of all sink layers, sorted by alignment.
  static void sorted_heads(const Observed& one, const std::vector<int64_t>& sinks, Measure& measure) {
    const auto [aligned, share] = all_heads(one, sinks);
    const auto order = aligned.mean(0).argsort();
    const auto ranks = up_to(order.numel());
    measure.series("key_query_alignment_by_head", one.condition, "head_rank", ranks, aligned.index_select(1, order));
    measure.series("positive_score_share_by_head", one.condition, "head_rank", ranks, share.index_select(1, order));
  }

  std::vector<Observed> observed_;
};

REPLICATE_EXPERIMENT(qk_locking, QkLocking, "natural", "random", "null_model");

}  // namespace
}  // namespace replicate
