#include "harness/training/seed_measure.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/mean_test.h"
#include "base/statistics.h"

namespace replicate {
namespace {

std::optional<double> present(double bound) { return std::isnan(bound) ? std::nullopt : std::optional<double>(bound); }

/// The seeds' values at one point of a curve.
Estimate at_point(const std::vector<std::vector<double>>& y, size_t point) {
  std::vector<double> values;
  for (const auto& row : y) values.push_back(row[point]);
  return t_interval(values);
}

void check_rows(const std::string& name, size_t points, const std::vector<std::vector<double>>& y) {
  const bool fits = std::all_of(y.begin(), y.end(), [&](const auto& row) { return row.size() == points; });
  if (fits && !y.empty()) return;
  throw Error("a curve's seeds do not have " + std::to_string(points) + " points each", name, kDefect);
}

}  // namespace

std::vector<double> present(const std::vector<double>& values) {
  std::vector<double> there;
  std::ranges::copy_if(values, std::back_inserter(there), [](double value) { return !std::isnan(value); });
  return there;
}

void SeedMeasure::judged(const std::string& name, const std::vector<double>& values,
                         std::map<std::string, int64_t> where) {
  const MeanTest test(present(values));
  const auto [low, high] = test.interval();
  if (!std::isfinite(test.mean())) without_value_.push_back(name);
  measurement_.samples.push_back({name, inputs_, where, values});
  measurement_.metrics.push_back({name, test.mean(), present(low), present(high), test.n(), inputs_, std::move(where)});
}

void SeedMeasure::mean(const std::string& name, const std::vector<double>& values,
                       std::map<std::string, int64_t> where) {
  const auto estimate = t_interval(values);
  if (!std::isfinite(estimate.value)) without_value_.push_back(name);
  measurement_.samples.push_back({name, inputs_, where, values});
  measurement_.metrics.push_back(
      {name, estimate.value, present(estimate.low), present(estimate.high), estimate.n, inputs_, std::move(where)});
}

void SeedMeasure::mean_of_present(const std::string& name, const std::vector<double>& values) {
  const auto there = present(values);
  if (there.size() == values.size()) {
    mean(name, values);
  } else if (!there.empty()) {
    value(name, replicate::mean(there));
  }
}

void SeedMeasure::value(const std::string& name, double value, std::map<std::string, int64_t> where) {
  measurement_.metrics.push_back({name, value, std::nullopt, std::nullopt, 0, inputs_, std::move(where)});
}

void SeedMeasure::curve(const std::string& name, const std::string& label, const std::string& axis,
                        const std::vector<double>& x, const std::vector<std::vector<double>>& y) {
  check_rows(name, x.size(), y);
  Series series{name, label, axis, x, {}, {}, {}};
  for (size_t point = 0; point < x.size(); ++point) {
    const auto estimate = at_point(y, point);
    series.y.push_back(estimate.value);
    if (y.size() < 2) continue;
    series.low.push_back(estimate.low);
    series.high.push_back(estimate.high);
  }
  measurement_.series.push_back(std::move(series));
}

void SeedMeasure::map(const std::string& name, const std::string& label, const std::string& title,
                      std::map<std::string, int64_t> where, std::vector<std::vector<double>> values) {
  measurement_.maps.push_back({name, label, title, std::move(where), std::move(values)});
}

Measurement SeedMeasure::take() {
  std::string names;
  for (const auto& name : without_value_) names += (names.empty() ? "" : ", ") + name;
  if (!names.empty()) note("These have no value, because at least one seed has none: " + names + ".");
  return std::move(measurement_);
}

}  // namespace replicate
