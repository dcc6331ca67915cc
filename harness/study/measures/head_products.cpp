#include "harness/study/measures/head_products.h"

#include "harness/study/population.h"

namespace replicate {

ProbeNeeds HeadProducts::needs(int64_t layer, int64_t layers) const {
  if (layer > layers) return {};
  return {.sites = {Site::head_output}};
}

/// [b, T, H, K] -> [b, H, (T - 1) K]
void HeadProducts::observe(const Place&, Site, const Tensor& value) {
  batches_.push_back(value.slice(1, 1).transpose(1, 2).flatten(2).clone());
}

void HeadProducts::finish_layer(int64_t) {
  const auto outputs = at::cat(batches_, 0);
  batches_.clear();
  std::vector<Tensor> heads;
  for (int64_t h = 0; h < outputs.size(1); ++h) {
    heads.push_back(inner_products(outputs.select(1, h)) / outputs.size(2));
  }
  layers_.push_back(at::stack(heads).cpu());
}

Tensor HeadProducts::variance(int64_t layer, const Tensor& weights) const {
  const auto& products = layers_.at(layer - 1);
  std::vector<Tensor> heads;
  for (int64_t h = 0; h < products.size(0); ++h) {
    heads.push_back(population_variance(weights, products[h]));
  }
  return at::stack(heads, 1);
}

}  // namespace replicate
