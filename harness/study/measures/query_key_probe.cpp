#include "harness/study/measures/query_key_probe.h"

#include <algorithm>

#include "harness/study/population.h"
#include "models/core/each_by_one_thread.h"

namespace replicate {
namespace {

constexpr double kLargestLog = -1e-7;  // a float32 attention next to 1 is known no better than this

Tensor unit(const Tensor& x) {
  const auto wide = x.to(at::kDouble);
  return wide / at::linalg_vector_norm(wide, 2, {-1}, true);
}

/// First left singular vector of x [..., K, N]: [..., K] float64, its sign left open.
Tensor first_direction(const Tensor& x) {
  const auto wide = x.to(at::kDouble);
  return std::get<1>(at::linalg_eigh(at::matmul(wide, wide.mT()))).select(-1, -1);
}

/// Cosine of keys [b, P, K] with a direction [b, K] turned so that the mean query [b, K] is on its side: [b, P].
Tensor aligned(const Tensor& unit_keys, const Tensor& direction, const Tensor& mean_query) {
  const auto side = (direction * mean_query).sum(-1, true).sign();
  return at::matmul(unit_keys, (direction * side).unsqueeze(-1)).squeeze(-1);
}

/// Share of positive scores and margin over all other keys, [b] each.
struct Scores {
  Tensor share, margin, share_others, margin_others;
};

/// q, k [b, T, K] of one head.
Scores scores_of(const Tensor& q, const Tensor& k, int64_t others) {
  const auto later = q.size(1) - 1;
  const auto scores = at::matmul(q.slice(1, 1), k.mT()) / std::sqrt(static_cast<double>(q.size(-1)));
  const auto causal = at::ones({later, later}, scores.options().dtype(at::kBool)).tril();
  const auto rest = scores.slice(2, 1).masked_fill(causal.logical_not(), -INFINITY);
  const auto first = scores.select(2, 0).to(at::kDouble);           // [b, T - 1]
  const auto all_rest = at::logsumexp(rest, {-1}).to(at::kDouble);  // [b, T - 1]
  const auto all = at::logaddexp(first, all_rest).unsqueeze(-1);

  // Row i is query i + 1 and column j is key j + 1, which the queries after it see.
  const auto seen = causal.slice(1, 0, others).tril(-1);              // [T - 1, P]
  const auto other = scores.slice(2, 1, 1 + others).to(at::kDouble);  // [b, T - 1, P]
  const auto log_attention = (other - all).clamp_max(kLargestLog);
  const auto margin = log_attention - (-log_attention.exp()).log1p();
  const auto over_queries = [&](const Tensor& x) {
    return (x.masked_fill(seen.logical_not(), 0).sum(1) / seen.sum(0)).mean(-1);
  };
  return {(first > 0).to(at::kDouble).mean(1), (first - all_rest).mean(1), over_queries((other > 0).to(at::kDouble)),
          over_queries(margin)};
}

/// q, k [b, T, K] of one head and its direction in W_Q [K] -> [b, quantities] in the order of QueryKey.
Tensor measure_head(const Tensor& q, const Tensor& k, const Tensor& weights_direction, int64_t others) {
  const auto queries = q.slice(1, 1);
  const auto mean_query = queries.mean(1, false, at::kDouble);
  const auto keys = unit(k.slice(1, 0, 1 + others));  // [b, 1 + P, K]
  const auto by_queries = aligned(keys, first_direction(queries.mT()), mean_query);
  const auto by_weights = aligned(keys, weights_direction.expand_as(mean_query), mean_query);
  const auto scores = scores_of(q, k, others);
  return at::stack({by_queries.select(1, 0), by_weights.select(1, 0), scores.share, scores.margin,
                    by_queries.slice(1, 1).mean(1), scores.share_others, scores.margin_others},
                   1);
}

}  // namespace

QueryKeyProbe::QueryKeyProbe(std::vector<int64_t> layers, int64_t head_width, int64_t length)
    : layers_(std::move(layers)), head_width_(head_width), others_(std::min(kOtherPositions, length - 2)) {
  TORCH_CHECK(length > 2, "no other position has later queries in sequences of ", length);
}

ProbeNeeds QueryKeyProbe::needs(int64_t layer, int64_t layers) const {
  const bool chosen = layers_.empty() || std::find(layers_.begin(), layers_.end(), layer) != layers_.end();
  if (layer > layers || !chosen) return {};
  return {.sites = {Site::query, Site::key}, .weights = true};
}

void QueryKeyProbe::observe_weights(int64_t, const BlockWeights& weights) {
  const auto folded = weights.query * weights.attention_norm;             // [H K, D]
  directions_ = first_direction(folded.unflatten(0, {-1, head_width_}));  // [H, K]
}

/// The query comes before the key in a block.
void QueryKeyProbe::observe(const Place& place, Site site, const Tensor& value) {
  if (site == Site::query) {
    query_ = value;
    return;
  }
  std::vector<Tensor> heads(query_.size(1));
  const auto shared_by = query_.size(1) / value.size(1);
  each_by_one_thread(query_.size(1), value.device(), [&](int64_t h) {
    heads[h] = measure_head(query_.select(1, h), value.select(1, h / shared_by), directions_[h], others_);
  });
  heads_[place.layer].push_back(at::stack(heads, 1));
  unit_keys_.push_back(unit(value.slice(2, 0, 1 + others_)));
  query_.reset();
}

void QueryKeyProbe::finish_layer(int64_t layer) {
  const auto keys = at::cat(unit_keys_, 0).cpu();
  unit_keys_.clear();
  std::vector<Tensor> first, others;
  for (int64_t g = 0; g < keys.size(1); ++g) {
    const auto of_head = keys.select(1, g);  // [B, 1 + P, K]
    first.push_back(inner_products(of_head.select(1, 0)));
    others.push_back(inner_products(of_head.slice(1, 1).flatten(1)) / others_);
  }
  cosines_[layer] = {at::stack(first).mean(0), at::stack(others).mean(0)};
}

Tensor QueryKeyProbe::heads(int64_t layer, QueryKey quantity) const {
  return at::cat(heads_.at(layer), 0).select(2, static_cast<int64_t>(quantity)).cpu();
}

const Tensor& QueryKeyProbe::key_cosines(int64_t layer, bool first) const {
  const auto& both = cosines_.at(layer);
  return first ? both.first : both.second;
}

}  // namespace replicate
