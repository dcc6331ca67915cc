#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/record/record.h"
#include "reports/document.h"
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

/// The record's panels in which something was measured, in the order of its YAML: those that are drawn.
std::vector<const Panel*> drawn_panels(const Record& record);

/// Whether some curve of theirs has a band.
bool has_bands(const Record& record);

/// These panels as a figure of the report, with their numbers; `drawing` is its file. A row of two is as high as the
/// longer of its legends needs.
Figure panel_figure(const Record& record, std::string drawing, Line caption);

Sheet plot_sheet(const Record& record);

/// One of the drawn panels as a figure of its own, as wide as a paper's column, without a title.
Sheet column_sheet(const Record& record, const Panel& panel);

/// The script that draws a record's panels into `svg`.
std::string plot_script(const Record& record, const std::string& svg);

}  // namespace replicate::report
