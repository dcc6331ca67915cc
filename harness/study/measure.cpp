#include "harness/study/measure.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/mean_test.h"
#include "harness/study/bca.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

const double kNone = std::nan("");

std::optional<double> present(double bound) { return std::isnan(bound) ? std::nullopt : std::optional<double>(bound); }

/// More would cost time and say nothing new of an acceleration.
int64_t jackknife_groups(int64_t n) { return std::min<int64_t>(n, 64); }

/// [J, n]: row j leaves out the j-th of J groups of neighbours, and counts the others alike.
Tensor jackknife_weights(int64_t n) {
  const auto groups = jackknife_groups(n);
  auto weights = at::ones({groups, n}, at::kDouble);
  for (int64_t j = 0; j < groups; ++j) weights[j].slice(0, j * n / groups, (j + 1) * n / groups).zero_();
  return weights / weights.sum(1, true);
}

/// [R, n]: row r holds how often resample r drew each of n sequences, divided by n.
Tensor resample_weights(int64_t n, const BootstrapOptions& options) {
  auto weights = at::zeros({options.resamples, n}, at::kDouble);
  auto* row = weights.mutable_data_ptr<double>();
  Random random(options.seed);
  for (int64_t r = 0; r < options.resamples; ++r, row += n) {
    for (int64_t i = 0; i < n; ++i) row[random.below(n)] += 1.0 / static_cast<double>(n);
  }
  return weights;
}

/// Of statistics with value [X] on n sequences; all [J + R, X] holds them with each of the weights.
std::pair<Tensor, Tensor> bounds(const Tensor& value, const Tensor& all, int64_t n, bool corrected = true) {
  const auto groups = jackknife_groups(n);
  if (corrected) return bca_bounds(value, all.slice(0, groups), all.slice(0, 0, groups));
  const auto q = at::quantile(all.slice(0, groups), at::tensor({0.025, 0.975}, at::kDouble), 0);  // NaN spreads to both
  return {q[0], q[1]};
}

/// Once, where several metrics rest on one column.
void keep(std::vector<Samples>& kept, Samples samples) {
  const bool known = std::any_of(kept.begin(), kept.end(), [&](const Samples& other) {
    return other.metric == samples.metric && other.inputs == samples.inputs && other.where == samples.where &&
           other.values == samples.values;
  });
  if (!known) kept.push_back(std::move(samples));
}

/// Of all sequences alike.
double of_all(const OfWeights& f, int64_t n) {
  return f(at::full({1, n}, 1.0 / static_cast<double>(n), at::kDouble)).item<double>();
}

}  // namespace

std::vector<double> counted(int64_t n, double first) {
  std::vector<double> x(n);
  std::iota(x.begin(), x.end(), first);
  return x;
}

void Measure::add(const std::string& name, const Condition& condition, const Estimate& estimate,
                  std::map<std::string, int64_t> where) {
  measurement_.metrics.push_back({name + condition.suffix, estimate.value, present(estimate.low),
                                  present(estimate.high), estimate.n, condition.tokens->label, std::move(where)});
}

void Measure::add_units(const std::string& name, const Condition& condition, std::vector<double> units, Range range,
                        std::map<std::string, int64_t> where) {
  const MeanTest test(units);
  const auto [low, high] = test.interval();
  const auto cut = [&](double x) { return std::isnan(x) ? x : std::clamp(x, range.low, range.high); };
  add(name, condition, {cut(test.mean()), cut(low), cut(high), test.n()}, where);
  measurement_.samples.push_back(
      {name + condition.suffix, condition.tokens->label, std::move(where), std::move(units)});
}

void Measure::place(const std::string& key, int64_t value) {
  for (auto& metric : measurement_.metrics) metric.where[key] = value;
  for (auto& samples : measurement_.samples) samples.where[key] = value;
}

void Measure::judged(const std::string& name, const Condition& condition, const Tensor& values,
                     std::map<std::string, int64_t> where, Range range) {
  TORCH_CHECK(values.dim() == 1, "per-sequence values must be [B]");
  add_units(name, condition, to_vector<double>(values), range, std::move(where));
}

void Measure::judged_population(const std::string& name, const Condition& condition, const OfWeights& f, Range range,
                                std::map<std::string, int64_t> where) {
  constexpr auto kBlocks = kPopulationBlocks;
  const auto block = condition.tokens->sequences() / kBlocks;
  if (block == 0) return value(name, condition, of_all(f, condition.tokens->sequences()), std::move(where));
  auto weights = at::zeros({kBlocks + 1, condition.tokens->sequences()}, at::kDouble);  // the last row: all blocks
  weights.slice(1, 0, kBlocks * block).fill_(1);
  for (int64_t i = 0; i < kBlocks; ++i) weights[i].slice(0, i * block, (i + 1) * block).zero_();
  const auto theta = to_vector<double>(f(weights / weights.sum(1, true)).select(1, 0));
  std::vector<double> pseudo;
  for (int64_t i = 0; i < kBlocks; ++i) pseudo.push_back(kBlocks * theta.back() - (kBlocks - 1) * theta[i]);
  add_units(name, condition, std::move(pseudo), range, where);
  value(name + "_plug_in", condition, theta.back(), std::move(where));
}

void Measure::mean(const std::string& name, const Condition& condition, const Tensor& values,
                   std::map<std::string, int64_t> where) {
  TORCH_CHECK(values.dim() == 1, "per-sequence values must be [B]");
  of_means({name}, condition, {{name, where}}, values.unsqueeze(1),
           [](std::span<const double> means) { return std::vector<double>{means[0]}; });
  measurement_.metrics.back().where = std::move(where);
}

void Measure::ratio(const std::string& name, const Condition& condition, const Tensor& a, const Tensor& b) {
  of_means({name}, condition, {{name + "_numerator"}, {name + "_denominator"}}, at::stack({a, b}, 1),
           [](std::span<const double> means) { return std::vector<double>{means[0] / means[1]}; });
}

void Measure::of_means(const std::vector<std::string>& names, const Condition& condition,
                       const std::vector<SampleColumn>& columns, const Tensor& values, const OfMeans& f) {
  TORCH_CHECK(values.dim() == 2 && values.size(1) == static_cast<int64_t>(columns.size()),
              "per-sequence values must be [B, X] with a name for each of X");
  for (size_t x = 0; x < columns.size(); ++x) {
    keep(measurement_.samples, {columns[x].name + condition.suffix, condition.tokens->label, columns[x].where,
                                to_vector<double>(values.select(1, x))});
  }
  const auto apply = [&](const Tensor& row) {
    return f({row.const_data_ptr<double>(), static_cast<size_t>(row.numel())});
  };
  const auto n = values.size(0);
  const auto value = apply(values.to(at::kDouble).mean(0).contiguous());
  std::vector<Estimate> estimates;
  for (const auto v : value) estimates.push_back({v, kNone, kNone, n});
  if (n > 1) {
    const auto means = weighted_means(values);
    auto all = at::empty({means.size(0), static_cast<int64_t>(value.size())}, at::kDouble);
    for (int64_t r = 0; r < means.size(0); ++r) all[r] = at::tensor(apply(means[r]), at::kDouble);
    const auto [low, high] = bounds(at::tensor(value, at::kDouble), all, n);
    for (size_t i = 0; i < estimates.size(); ++i) {
      estimates[i].low = low[static_cast<int64_t>(i)].item<double>();
      estimates[i].high = high[static_cast<int64_t>(i)].item<double>();
    }
  }
  for (size_t i = 0; i < names.size(); ++i) add(names[i], condition, estimates[i]);
}

void Measure::population(const std::vector<std::string>& names, const Condition& condition, const OfWeights& f,
                         std::map<std::string, int64_t> where, Resampling resampling) {
  const auto n = condition.tokens->sequences();
  const auto rows = jackknife_groups(n) + std::min(resampling.most, options_.resamples);
  const auto value = f(at::full({1, n}, 1.0 / static_cast<double>(n), at::kDouble))[0];
  const auto none = at::full_like(value, kNone);
  const auto [low, high] =
      n > 1 ? bounds(value, f(weights(n).slice(0, 0, rows)), n, resampling.corrected) : std::pair{none, none};
  for (size_t i = 0; i < names.size(); ++i) {
    const auto at_i = [i](const Tensor& x) { return x[static_cast<int64_t>(i)].item<double>(); };
    add(names[i], condition, {at_i(value), at_i(low), at_i(high), n}, where);
  }
}

void Measure::population_series(const std::string& name, const Condition& condition, const std::string& axis,
                                const std::vector<double>& x, const OfWeights& f) {
  const auto n = condition.tokens->sequences();
  const auto value = f(at::full({1, n}, 1.0 / static_cast<double>(n), at::kDouble))[0];
  Series series{name + condition.suffix, condition.tokens->label, axis, x, to_vector<double>(value), {}, {}};
  if (n > 1) {
    const auto [low, high] = bounds(value, f(weights(n)), n);
    series.low = to_vector<double>(low);
    series.high = to_vector<double>(high);
  }
  measurement_.series.push_back(std::move(series));
}

void Measure::map(const std::string& name, const Condition& condition, const std::string& title,
                  std::map<std::string, int64_t> where, const Tensor& values) {
  Map map{name + condition.suffix, condition.tokens->label, title, std::move(where), {}};
  for (int64_t row = 0; row < values.size(0); ++row) map.values.push_back(to_vector<double>(values[row]));
  measurement_.maps.push_back(std::move(map));
}

void Measure::value(const std::string& name, const Condition& condition, double value,
                    std::map<std::string, int64_t> where) {
  add(name, condition, {value, kNone, kNone, condition.tokens->sequences()}, std::move(where));
}

void Measure::series(const std::string& name, const Condition& condition, const std::string& axis,
                     const std::vector<double>& x, const Tensor& values) {
  TORCH_CHECK(values.dim() == 2 && values.size(1) == static_cast<int64_t>(x.size()), "series values must be [B, X]");
  const auto value = values.to(at::kDouble).mean(0);
  Series series{name + condition.suffix, condition.tokens->label, axis, x, to_vector<double>(value), {}, {}};
  if (values.size(0) > 1) {
    const auto [low, high] = bounds(value, weighted_means(values), values.size(0));
    series.low = to_vector<double>(low);
    series.high = to_vector<double>(high);
  }
  measurement_.series.push_back(std::move(series));
}

void Measure::by_layer(const std::string& name, const Condition& condition, const Tensor& values, int64_t layers) {
  series(name, condition, "layer", layer_numbers(layers), values.slice(1, 0, layers));
}

void Measure::curve(const std::string& name, const Condition& condition, const std::string& axis,
                    const std::vector<double>& x, const Tensor& y) {
  measurement_.series.push_back(
      {name + condition.suffix, condition.tokens->label, axis, x, to_vector<double>(y), {}, {}});
}

const Tensor& Measure::weights(int64_t n) {
  if (!weights_.count(n)) weights_[n] = at::cat({jackknife_weights(n), resample_weights(n, options_)});
  return weights_[n];
}

Tensor Measure::weighted_means(const Tensor& values) {
  return at::matmul(weights(values.size(0)), values.to(at::kDouble));
}

}  // namespace replicate
