#pragma once

#include <cstddef>
#include <string>

#include "harness/record/record.h"
#include "reports/plots/sheet.h"

namespace replicate::report {

/// Panels lie row by row in cells of equal size, so that a reader of the SVG can show them one by
/// one.
struct Grid {
  size_t columns = 1, rows = 1;
};
Grid panel_grid(size_t panels);

/// Cells of one size, and the sheet they fill.
struct Cells {
  Grid grid;
  double width = 0, height = 0;
  Sheet sheet() const;
  double left(size_t index) const;  ///< of the cell, in pixels
  double top(size_t index) const;
};

/// A record's panels, in the order of its YAML.
Sheet plot_sheet(const Record& record);

/// The script that draws a record's panels into `svg`.
std::string plot_script(const Record& record, const std::string& svg);

}  // namespace replicate::report
