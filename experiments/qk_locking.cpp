// At a sink the first position's key is nearly the same whatever the token was, and points along the principal
// direction of the queries, so nearly all scores on it are positive (paper, figure 12: both near 1). Judged in the
// first sink layer after the spike, in means over its heads. "Principal direction" can be read in two ways, and either
// will do: the first right singular vector of the queries after RoPE, or the first left one of W_Q with the norm's gain
// folded in. Control: the share of positive scores beyond other positions' in layer 1, which has no sink. Cost: one
// forward pass, the scores of two layers a second time, one K x K eigenproblem per sequence and head; where attention
// has biases, a second pass. experiments/described/keys_by_layer.cpp has all layers and heads.

#include <set>

#include "base/error.h"
#include "base/statistics.h"
#include "harness/study/claim.h"
#include "harness/study/measures/query_key_probe.h"
#include "harness/study/measures/without_biases.h"
#include "harness/study/population.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

/// The queries and keys of the first sink layer and of layer 1.
struct LockedKeys {
  Condition on;
  int64_t sink;
  std::shared_ptr<QueryKeyProbe> probe;

  Tensor mean(QueryKey quantity) const { return mean_in(sink, quantity); }  // [B]
  Tensor mean_in(int64_t layer, QueryKey quantity) const { return probe->heads(layer, quantity).mean(1); }
  Tensor share_over_others(int64_t layer) const {  // [B]
    return mean_in(layer, QueryKey::positive_share) - mean_in(layer, QueryKey::positive_share_others);
  }
};

/// Whether every score on every key is positive, in every text: then no position can have a larger share.
bool all_scores_positive(const LockedKeys& keys) {
  const auto least = [&](QueryKey share) { return keys.probe->heads(keys.sink, share).min().item<double>(); };
  return least(QueryKey::positive_share) == 1 && least(QueryKey::positive_share_others) == 1;
}

void judge_scores(const LockedKeys& keys, Measure& measure) {
  measure.judged("sink_key_alignment", keys.on, keys.mean(QueryKey::alignment));
  measure.judged("sink_key_alignment_weights", keys.on, keys.mean(QueryKey::weights_alignment));
  measure.judged("sink_key_positive_share", keys.on, keys.mean(QueryKey::positive_share));
  measure.judged("sink_key_positive_share_over_others", keys.on, keys.share_over_others(keys.sink));
  if (all_scores_positive(keys)) {
    measure.note(
        "Every score on every key is positive in all heads and texts, which large biases can cause. No position "
        "can stand out there, so sink_key_positive_share_over_others is 0 and open.");
  }
}

/// How many different tokens the texts begin with.
int64_t first_tokens(const Condition& on) {
  const auto ids = to_vector<int64_t>(on.tokens->ids.select(1, 0));
  return static_cast<int64_t>(std::set(ids.begin(), ids.end()).size());
}

/// Pairs of texts whose first tokens differ, [B, B]: two that begin alike have one first key in every model.
Tensor pairs_that_differ(const Condition& on) {
  const auto ids = on.tokens->ids.select(1, 0);  // [B]
  return ids.unsqueeze(0).ne(ids.unsqueeze(1)).to(at::kDouble);
}

/// Mean of x [B, B] over pairs [B, B] of sequences, from weights [R, B] of the sequences: [R].
Tensor mean_over_pairs(const Tensor& weights, const Tensor& x, const Tensor& pairs) {
  const auto sum = [&](const Tensor& y) { return (at::matmul(weights, y) * weights).sum(-1); };
  return sum(x * pairs) / sum(pairs);
}

/// Constancy of position 0's key, and of the others', from weights [R, B]: [R, 2].
OfWeights constancy_of(const LockedKeys& keys) {
  return [keys, pairs = pairs_that_differ(keys.on)](const Tensor& weights) {
    return at::stack({mean_over_pairs(weights, keys.probe->key_cosines(keys.sink, true), pairs),
                      mean_pairwise(weights, keys.probe->key_cosines(keys.sink, false))},
                     1);
  };
}

/// `least`: with fewer distinct first tokens it says nothing, as under a constant BOS.
void judge_constancy(const LockedKeys& keys, int64_t least, Measure& measure) {
  if (first_tokens(keys.on) < least) {
    measure.note("The texts begin with fewer than " + std::to_string(least) +
                 " different tokens, so the constancy of the key does not apply.");
    return;
  }
  const auto constancy = [both = constancy_of(keys)](const Tensor& weights) { return both(weights).slice(1, 0, 1); };
  const auto over_others = [both = constancy_of(keys)](const Tensor& weights) {
    return both(weights).slice(1, 0, 1) - both(weights).slice(1, 1);
  };
  measure.judged_population("sink_key_constancy", keys.on, constancy, {-1, 1});
  measure.judged_population("sink_key_constancy_over_others", keys.on, over_others, {-2, 2});
}

/// Rank correlation over the heads of the mean alignment and the mean share of positive scores.
double alignment_with_positivity(const LockedKeys& keys) {
  const auto by_head = [&](QueryKey quantity) {
    return to_vector<double>(keys.probe->heads(keys.sink, quantity).mean(0));  // [H]
  };
  return spearman(by_head(QueryKey::alignment), by_head(QueryKey::positive_share));
}

void report_beside(const LockedKeys& keys, Measure& measure) {
  measure.mean("sink_key_score_margin", keys.on, keys.mean(QueryKey::margin));
  if (keys.probe->heads(keys.sink, QueryKey::alignment).size(1) < 3) return;
  measure.value("sink_key_alignment_positivity_spearman", keys.on, alignment_with_positivity(keys));
}

LockedKeys observe_keys(Claim& claim, const Condition& on, std::vector<int64_t> layers) {
  const auto sink = layers.front();
  return {
      on, sink,
      claim.run(on).add(std::make_shared<QueryKeyProbe>(std::move(layers), claim.config().head_width, on.length()))};
}

/// What the biases of queries and keys contribute, where attention has any: to each number that is judged.
void report_without_biases(Claim& claim, Condition on, int64_t sink, int64_t least_tokens) {
  if (!claim.config().qkv_bias) return;
  on.model = without_query_key_biases(on.model, sink);
  on.suffix = "_without_biases";
  claim.report([=, keys = observe_keys(claim, on, {sink})](Measure& measure) {
    measure.mean("sink_key_alignment", keys.on, keys.mean(QueryKey::alignment));
    measure.mean("sink_key_alignment_weights", keys.on, keys.mean(QueryKey::weights_alignment));
    measure.mean("sink_key_positive_share", keys.on, keys.mean(QueryKey::positive_share));
    measure.mean("sink_key_positive_share_over_others", keys.on, keys.share_over_others(keys.sink));
    if (first_tokens(keys.on) < least_tokens) return;
    measure.population({"sink_key_constancy", "sink_key_constancy_others"}, keys.on, constancy_of(keys));
  });
}

void judge_layer_one(const LockedKeys& keys, Measure& measure) {
  measure.judged("layer1_positive_share_over_others", keys.on, keys.share_over_others(1));
}

void qk_locking(Claim& claim) {
  const auto stage = claim.stage();
  const auto sink = stage.sinks.front();
  const bool has_control = stage.first_spike() > 1;  // else layer 1 writes what layer 2 locks to
  const auto on = claim.primary();
  const auto least_tokens = claim.parameters.integer("first_tokens");
  if (on.length() < 3) {
    throw Error("no other position has later queries in sequences of " + std::to_string(on.length()), "qk_locking",
                "use sequences of at least 3 tokens");
  }
  const auto keys = observe_keys(claim, on, has_control ? std::vector<int64_t>{sink, 1} : std::vector<int64_t>{sink});
  claim.report([=](Measure& measure) {
    judge_scores(keys, measure);
    judge_constancy(keys, least_tokens, measure);
    report_beside(keys, measure);
    if (has_control) judge_layer_one(keys, measure);
    if (!has_control) measure.note("The stage starts in layer 2, so layer 1 cannot be a control.");
  });
  report_without_biases(claim, on, sink, least_tokens);
}

REPLICATE_CLAIM(qk_locking, "natural", "first_tokens");

}  // namespace
}  // namespace replicate
