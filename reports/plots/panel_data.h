#pragma once

#include <limits>
#include <string>
#include <vector>

#include "harness/record/record.h"

namespace replicate::report {

/// A point of a curve; what cannot be drawn is NaN.
struct Point {
  double x = 0, y = 0;
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

struct Curve {
  std::string label;
  std::vector<Point> points;  ///< y is NaN where there is nothing to draw
  bool drawable = false, banded = false;
};

/// A panel's curves with everything unfit for its axes made NaN, and the ranges that are left.
struct PanelData {
  std::vector<Curve> curves;
  double x_min = std::numeric_limits<double>::infinity(), x_max = -x_min;
  double y_min = x_min, y_max = x_max;
  bool integer_x = true;
  bool empty() const { return x_min > x_max; }
};

PanelData panel_data(const Record& record, const Panel& panel);

}  // namespace replicate::report
