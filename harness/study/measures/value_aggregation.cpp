#include "harness/study/measures/value_aggregation.h"

#include <algorithm>
#include <numeric>

namespace replicate {
namespace {

constexpr int64_t kP = kVariancePositions;

/// rows [b, H, P, T] -> [b, H, P, P]; lag 0 is the sum of squares.
Tensor lag_products(const Tensor& rows) {
  const auto visible = rows.slice(3, 0, kP).to(at::kDouble);  // a causal row holds nothing after P
  std::vector<Tensor> lags;
  for (int64_t d = 0; d < kP; ++d) {
    const auto products = (visible.slice(3, 0, kP - d) * visible.slice(3, d)).sum(3);
    lags.push_back(d == 0 ? products : 2 * products);
  }
  return at::stack(lags, 3);
}

/// deviations [B, G, P, K] -> [B, G, P]
Tensor lag_covariance(const Tensor& deviations) {
  std::vector<Tensor> lags;
  for (int64_t d = 0; d < kP; ++d) {
    const auto products = deviations.slice(2, 0, kP - d) * deviations.slice(2, d);
    lags.push_back(products.mean({2, 3}));
  }
  return at::stack(lags, 2);
}

/// All batches of a layer, which are let go: [B, ...]
Tensor joined(std::vector<Tensor>& batches) { return at::cat(std::exchange(batches, {}), 0); }

}  // namespace

AggregationProbe::AggregationProbe(std::vector<int64_t> layers) : layers_(std::move(layers)), rows_(kP) {
  std::iota(rows_.begin(), rows_.end(), int64_t{0});
}

ProbeNeeds AggregationProbe::needs(int64_t layer, int64_t) const {
  if (std::find(layers_.begin(), layers_.end(), layer) == layers_.end()) return {};
  return {.sites = {Site::value, Site::head_output}, .attention = {.rows = rows_}};
}

void AggregationProbe::observe(const Place&, Site site, const Tensor& value) {
  if (site == Site::value) {
    values_.push_back(value.slice(2, 0, kP).clone());  // [b, G, P, K]
  } else {
    outputs_.push_back(value.slice(1, 0, kP).clone());  // [b, P, H, K]
  }
}

void AggregationProbe::observe_attention(const Place&, const AttentionStatistics& statistics) {
  std::vector<Tensor> rows;  // of all that were asked for, perhaps by others too, ours
  for (const auto query : rows_) rows.push_back(statistics.row(query));
  attention_.push_back(lag_products(at::stack(rows, 2)));
}

void AggregationProbe::finish_layer(int64_t layer) {
  const auto values = joined(values_).to(at::kDouble), outputs = joined(outputs_).to(at::kDouble);
  const auto mean =
      values.mean(at::IntArrayRef({0, 2}), true);  // [1, G, 1, K]; a bare {0, 2} is ambiguous to LibTorch 2.11
  const auto group = outputs.size(2) / values.size(1);
  const auto of_heads = mean.repeat_interleave(group, 1).transpose(1, 2);  // [1, 1, H, K]
  seen_[layer] = {joined(attention_).cpu(), lag_covariance(values - mean).cpu(),
                  (outputs - of_heads).square().mean({2, 3}).cpu()};
}

Tensor predicted_variance(const Aggregated& seen, const Tensor& weights, int64_t lags) {
  const auto heads = seen.attention.size(1), group = heads / seen.covariance.size(1);
  auto sum = at::zeros({weights.size(0), kP}, at::kDouble);
  for (int64_t h = 0; h < heads; ++h) {  // one head at a time: all resamples of all heads would be large
    const auto products = seen.attention.select(1, h).slice(2, 0, lags).flatten(1);  // [B, P lags]
    const auto covariance = seen.covariance.select(1, h / group).slice(1, 0, lags);  // [B, lags]
    const auto attention = at::matmul(weights, products).view({-1, kP, lags});       // [R, P, lags]
    sum += at::matmul(attention, at::matmul(weights, covariance).unsqueeze(2)).squeeze(2);
  }
  return sum / heads;
}

Tensor averaging_r2(const Tensor& observed, const Tensor& predicted) {
  const auto seen = observed.slice(1, 1).log();
  const auto missed = (seen - predicted.slice(1, 1).log()).square().sum(1);
  return 1 - missed / (seen - seen.mean(1, true)).square().sum(1);
}

}  // namespace replicate
