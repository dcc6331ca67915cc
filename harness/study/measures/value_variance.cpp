#include "harness/study/measures/value_variance.h"

namespace replicate {

ProbeNeeds ValueVariance::needs(int64_t layer, int64_t) const {
  if (layer != layer_) return {};
  return {.sites = {Site::value}, .weights = true};
}

void ValueVariance::observe_weights(int64_t, const BlockWeights& weights) {
  weight_ = weights.output.to(at::kCPU, at::kFloat, false, true).contiguous();
}

/// [b, G, T, K]. Two groups of sequences are joined as Chan, Golub and LeVeque (1983) do it, without cancellation.
void ValueVariance::observe(const Place&, Site, const Tensor& value) {
  const auto batch = value.select(2, 0).to(at::kDouble);  // [b, G, K]
  const auto mean = batch.mean(0);
  const auto squares = (batch - mean).square().sum(0);
  const auto before = static_cast<double>(sequences_), now = static_cast<double>(batch.size(0));
  sequences_ += batch.size(0);
  if (before == 0) {
    mean_ = mean;
    squares_ = squares;
    return;
  }
  const auto apart = mean - mean_;
  mean_ = mean_ + apart * (now / (before + now));
  squares_ = squares_ + squares + apart.square() * (before * now / (before + now));
}

Tensor ValueVariance::variance() const { return (squares_ / static_cast<double>(sequences_ - 1)).cpu(); }

}  // namespace replicate
