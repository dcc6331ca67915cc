#include "harness/study/population.h"

namespace replicate {
namespace {

/// w' G w of every row of weights: [R].
Tensor quadratic(const Tensor& weights, const Tensor& products) {
  return (at::matmul(weights, products) * weights).sum(-1);
}

/// Weight of the pairs of two different sequences: [R].
Tensor pair_weight(const Tensor& weights) { return 1 - weights.square().sum(-1); }

}  // namespace

Tensor inner_products(const Tensor& x) {
  const auto wide = x.to(at::kDouble);
  return at::matmul(wide, wide.t());
}

Tensor population_variance(const Tensor& weights, const Tensor& products) {
  const auto second_moment = at::matmul(weights, products.diagonal());
  return (second_moment - quadratic(weights, products)) / pair_weight(weights);
}

Tensor mean_pairwise(const Tensor& weights, const Tensor& products) {
  const auto own = at::matmul(weights.square(), products.diagonal());
  return (quadratic(weights, products) - own) / pair_weight(weights);
}

}  // namespace replicate
