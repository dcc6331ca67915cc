#include "harness/study/measures/output_alignment.h"

#include <algorithm>

#include "base/statistics.h"
#include "harness/study/measures/position_variance.h"

namespace replicate {
namespace {

/// Which of the G K value dimensions each of the H K inputs of W_O carries: query heads of a group share them.
Tensor value_dimensions(const ModelConfig& config) {
  return at::arange(config.kv_heads * config.head_width, at::kLong)
      .view({config.kv_heads, 1, config.head_width})
      .expand({config.kv_heads, config.heads / config.kv_heads, config.head_width})
      .flatten();
}

/// Variance over sequences of every dimension, up to a factor common to all: x [B, X] -> [R, X]
Tensor dimension_variances(const Tensor& weights, const Tensor& x) {
  const auto deviations = x.to(at::kDouble) - x.mean(0, true, at::kDouble);
  return at::matmul(weights, deviations.square()) - at::matmul(weights, deviations).square();
}

std::span<const double> numbers(const Tensor& x) {
  return {x.const_data_ptr<double>(), static_cast<size_t>(x.numel())};
}

std::span<const float> weights_of(const Tensor& x) {
  return {x.const_data_ptr<float>(), static_cast<size_t>(x.numel())};
}

}  // namespace

ProbeNeeds ProjectionProbe::needs(int64_t layer, int64_t) const {
  if (std::find(layers_.begin(), layers_.end(), layer) == layers_.end()) return {};
  return {.sites = {Site::head_output}, .weights = true};
}

void ProjectionProbe::observe_weights(int64_t layer, const BlockWeights& weights) {
  weights_[layer] = weights.output.to(at::kCPU, at::kFloat, false, true).contiguous();
}

void ProjectionProbe::observe(const Place& place, Site, const Tensor& value) {
  outputs_[place.layer].push_back(value.slice(1, 0, kVariancePositions).cpu().clone());
}

Tensor input_order(const ModelConfig& config, const Tensor& permutation) {
  const auto group = config.heads / config.kv_heads, width = config.head_width;
  const auto source = permutation.index_select(0, value_dimensions(config));  // [H K], in 0..G K - 1
  const auto head = at::arange(config.heads * width, at::kLong).floor_divide(width);
  const auto source_head = source.floor_divide(width) * group + head.remainder(group);
  return source_head * width + source.remainder(width);
}

Tensor permuted_metric(const ModelConfig& config, const Tensor& weight, std::span<const Tensor> permutations) {
  const auto wide = weight.to(at::kDouble);
  const auto metric = at::matmul(wide.t(), wide);
  auto sum = at::zeros_like(metric);
  for (const auto& permutation : permutations) {
    const auto order = input_order(config, permutation);
    sum += metric.index_select(0, order).index_select(1, order);
  }
  return sum / static_cast<double>(permutations.size());
}

ProjectionTau::ProjectionTau(const ModelConfig& config, const Tensor& weight)
    : dimensions_(value_dimensions(config)),
      magnitude_(weight.abs().contiguous()),
      mean_tau_(weights_of(magnitude_), static_cast<size_t>(weight.size(1))) {}

double ProjectionTau::operator()(const Tensor& variance) const {
  return mean_tau_(numbers(variance.flatten().index_select(0, dimensions_)));
}

OutputAlignment::OutputAlignment(const ModelConfig& config, const Tensor& outputs, const Tensor& weight)
    : config_(config),
      outputs_(outputs),
      magnitude_(weight.abs().contiguous()),
      mean_tau_(weights_of(magnitude_), static_cast<size_t>(weight.size(1))) {}

Tensor OutputAlignment::even() const {
  const auto n = outputs_.size(0);
  return at::full({1, n}, 1.0 / static_cast<double>(n), at::kDouble);
}

/// At position 0 every head holds the value vector of its group, so one head a group has it all, and heads that
/// share a value tie exactly: [R, G K]
Tensor OutputAlignment::value_variances(const Tensor& weights) const {
  const auto group = config_.heads / config_.kv_heads;
  const auto one_a_group = outputs_.select(1, 0).slice(1, 0, config_.heads, group);
  return dimension_variances(weights, one_a_group.flatten(1));
}

Tensor OutputAlignment::mean_tau(const Tensor& weights, int64_t position) const {
  const auto variances = (position == 0 ? value_variances(weights).index_select(1, value_dimensions(config_))
                                        : dimension_variances(weights, outputs_.select(1, position).flatten(1)))
                             .contiguous();  // [R, H K]
  std::vector<double> taus(variances.size(0));
  at::parallel_for(0, variances.size(0), 1, [&](int64_t begin, int64_t end) {
    for (auto r = begin; r < end; ++r) taus[r] = mean_tau_(numbers(variances[r]));
  });
  return at::tensor(taus, at::kDouble);
}

Tensor OutputAlignment::mean_tau(const Tensor& weights, int64_t first, int64_t last) const {
  auto sum = at::zeros({weights.size(0)}, at::kDouble);
  for (auto position = first; position <= last; ++position) sum += mean_tau(weights, position);
  return sum / (last - first + 1);
}

std::vector<double> OutputAlignment::taus() const {
  const auto variances = value_variances(even())[0].index_select(0, value_dimensions(config_));
  const auto rows = magnitude_.to(at::kDouble);
  std::vector<double> all;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    all.push_back(kendall_tau_b(numbers(rows[i]), numbers(variances)));
  }
  return all;
}

}  // namespace replicate
