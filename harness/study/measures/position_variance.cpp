#include "harness/study/measures/position_variance.h"

#include <algorithm>

#include "base/error.h"
#include "harness/study/measures/rank_correlation.h"
#include "harness/study/population.h"

namespace replicate {
namespace {

/// Deviations from the mean sequence in float64: the same variances, without cancellation. [B, P, X]
Tensor centred(const Tensor& x) {
  const auto wide = x.to(at::kDouble);
  return wide - wide.mean(0, true);
}

}  // namespace

std::vector<int64_t> variance_layers(const ModelConfig& config) {
  return config.layers > 1 ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{1};
}

std::vector<double> variance_positions() { return counted(kVariancePositions, 0); }

std::string in_layer(const std::string& name, int64_t layer) {
  return layer == 1 ? name : name + "_layer" + std::to_string(layer);
}

void require_positions(const Condition& condition, const std::string& claim) {
  const auto length = condition.tokens->length();
  if (length >= kVariancePositions) return;
  throw Error("sequences of " + std::to_string(length) + " tokens have no positions up to 31", claim,
              "use sequences of at least 32 tokens");
}

std::vector<Condition> conditions_with_positions(const Context& context) {
  auto conditions = context.conditions();
  std::erase_if(conditions, [](const Condition& on) { return on.length() < kVariancePositions; });
  return conditions;
}

bool same_first_token(const Condition& condition) {
  const auto first = condition.tokens->ids.select(1, 0);  // [B]
  return first.size(0) > 1 && first.eq(first[0]).all().item<bool>();
}

std::optional<std::string> why_no_variance(const Context& context, const Condition& condition) {
  if (context.given) return "judged on random ids, but ids were given";
  if (context.bos) return "measured with BOS: every sequence begins with it, so position 0 does not vary";
  if (same_first_token(condition)) return "every sequence begins with the same token, so position 0 does not vary";
  if (context.config().layers < kVarianceLayer) return "the model has no layer 2";
  return std::nullopt;
}

Tensor even_weights(int64_t n) { return at::full({1, n}, 1.0 / static_cast<double>(n), at::kDouble); }

FirstAndRest::FirstAndRest(const Tensor& x, const Tensor& metric) {
  const auto left = centred(x);
  const auto right = metric.defined() ? at::matmul(left, metric.to(at::kDouble)) : left;
  // Position by position: one long sum would be split over threads, and its last digits depend on their number.
  const auto products = [&](int64_t p) { return at::matmul(left.select(1, p), right.select(1, p).t()) / x.size(2); };
  first = products(0).cpu();
  auto sum = at::zeros_like(first, left.options());
  for (int64_t p = 1; p < x.size(1); ++p) sum += products(p);
  rest = (sum / (x.size(1) - 1)).cpu();
}

Tensor FirstAndRest::ratio(const Tensor& weights) const {
  return population_variance(weights, first) / population_variance(weights, rest);
}

PositionVariance::PositionVariance(Site site, std::vector<int64_t> layers, bool every_layer)
    : site_(site), layers_(std::move(layers)), every_layer_(every_layer) {}

bool PositionVariance::chosen(int64_t layer) const {
  return std::find(layers_.begin(), layers_.end(), layer) != layers_.end();
}

ProbeNeeds PositionVariance::needs(int64_t layer, int64_t layers) const {
  if (layer > layers || !(every_layer_ || chosen(layer))) return {};
  return {.sites = {site_}};
}

/// [b, T, ...] -> [b, P, X]
void PositionVariance::observe(const Place&, Site, const Tensor& value) {
  batches_.push_back(value.slice(1, 0, kVariancePositions).flatten(2).clone());
}

void PositionVariance::finish_layer(int64_t layer) {
  const auto x = at::cat(std::exchange(batches_, {}), 0);
  first_and_rest_.emplace(layer, FirstAndRest(x));
  if (!chosen(layer)) return;
  const auto deviations = centred(x);
  for (int64_t p = 0; p < x.size(1); ++p) {
    products_[layer].push_back((inner_products(deviations.select(1, p)) / x.size(2)).cpu());
  }
}

Tensor PositionVariance::by_position(int64_t layer, const Tensor& weights) const {
  std::vector<Tensor> variances;
  for (const auto& products : products_.at(layer)) {
    variances.push_back(population_variance(weights, products));
  }
  return at::stack(variances, 1);
}

Tensor PositionVariance::ratio(int64_t layer, const Tensor& weights) const {
  return first_and_rest_.at(layer).ratio(weights);
}

Tensor PositionVariance::ratio_by_layer(const Tensor& weights) const {
  std::vector<Tensor> ratios;
  for (const auto& [layer, products] : first_and_rest_) ratios.push_back(products.ratio(weights));
  return at::stack(ratios, 1);
}

Tensor position_spearman(const Tensor& variances) {
  const auto positions = at::arange(variances.size(1), at::kDouble).expand_as(variances);
  return spearman_of_rows(positions, variances);
}

void measure_by_layer(const std::string& name, const Condition& condition, const PositionVariance& variance,
                      Measure& measure) {
  measure.population_series(name, condition, "layer", layer_numbers(condition.layers()),
                            [&](const Tensor& weights) { return variance.ratio_by_layer(weights); });
}

void measure_minus_null(const std::string& name, const Condition& condition, const std::vector<int64_t>& layers,
                        const PositionVariance& trained, const PositionVariance& null, Measure& measure) {
  for (const auto layer : layers) {
    const auto difference = [&](const Tensor& weights) {
      return (trained.ratio(layer, weights) - null.ratio(layer, weights)).unsqueeze(1);
    };
    measure.population({name}, condition, difference, {{"layer", layer}});
  }
}

}  // namespace replicate
