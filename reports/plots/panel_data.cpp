#include "reports/plots/panel_data.h"

#include <algorithm>
#include <cmath>

#include "reports/findings.h"

namespace replicate::report {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

bool fits(double value, bool log_axis) { return std::isfinite(value) && (!log_axis || value > 0); }

double at_or_nothing(const std::vector<double>& values, size_t i) { return i < values.size() ? values[i] : kNothing; }

Point point_of(const Series& series, size_t i, const Panel& panel) {
  Point point{series.x[i], at_or_nothing(series.y, i), at_or_nothing(series.low, i), at_or_nothing(series.high, i)};
  if (!fits(point.x, panel.log_x) || !fits(point.y, panel.log_y)) point.y = kNothing;
  if (std::isnan(point.y) || !fits(point.low, panel.log_y) || !fits(point.high, panel.log_y))
    point.low = point.high = kNothing;
  return point;
}

constexpr int64_t kFewestSeeds = 4;  // for a band: of fewer, it would be wider than what it is about

/// Seeds of a training claim are its units of sampling.
bool has_enough_units(const Record& record) {
  if (record.kind != ClaimKind::training) return true;
  return std::ranges::all_of(record.measurement.metrics,
                             [](const Metric& metric) { return !metric.low || metric.n >= kFewestSeeds; });
}

/// Some interval does, which a logarithmic axis cannot show: a band in pieces would say that the others are narrow.
bool reaches_zero(const Series& series, const Panel& panel) {
  return panel.log_y && std::ranges::any_of(series.low, [](double low) { return low <= 0; });
}

Curve curve_of(const Record& record, const PanelCurve& wanted, const Panel& panel) {
  Curve curve{wanted.label.empty() ? wanted.series : wanted.label, {}};
  const Series* series = find_series(record, wanted);
  if (series == nullptr) return curve;
  for (size_t i = 0; i < series->x.size(); ++i) curve.points.push_back(point_of(*series, i, panel));
  if (!has_enough_units(record) || reaches_zero(*series, panel))
    for (Point& point : curve.points) point.low = point.high = kNothing;
  for (const Point& point : curve.points) {
    curve.drawable |= !std::isnan(point.y);
    curve.banded |= !std::isnan(point.low);
  }
  return curve;
}

void include(PanelData& data, const Point& point, bool log_y) {
  if (std::isnan(point.y)) return;
  data.x_min = std::min(data.x_min, point.x);
  data.x_max = std::max(data.x_max, point.x);
  data.integer_x &= point.x == std::floor(point.x);
  for (const double y : {point.y, point.low, point.high}) {
    if (!fits(y, log_y)) continue;
    data.y_min = std::min(data.y_min, y);
    data.y_max = std::max(data.y_max, y);
  }
}

}  // namespace

PanelData panel_data(const Record& record, const Panel& panel) {
  PanelData data;
  for (const PanelCurve& curve : panel.curves) {
    data.curves.push_back(curve_of(record, curve, panel));
    for (const Point& point : data.curves.back().points) include(data, point, panel.log_y);
  }
  if (data.empty()) return data;
  for (const auto& [label, y] : panel.thresholds) {
    if (!fits(y, panel.log_y)) continue;
    data.y_min = std::min(data.y_min, y);
    data.y_max = std::max(data.y_max, y);
  }
  return data;
}

}  // namespace replicate::report
