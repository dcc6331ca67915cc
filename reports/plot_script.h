#pragma once

#include <cstddef>
#include <string>

#include "harness/record.h"

namespace replicate {

/// Panels lie row by row in cells of equal size, so that a reader of the SVG can show them one by
/// one.
struct Grid {
  size_t columns = 1, rows = 1;
};
Grid panel_grid(size_t panels);

/// gnuplot commands that draw a record's panels into `svg` and `png`. Data are part of the script.
std::string plot_script(const Record& record, const std::string& svg, const std::string& png);

/// gnuplot's SVG with its tooltips ("gnuplot_plot_1a") removed and bold faces that browsers
/// understand.
std::string tidy_svg(std::string svg);

}  // namespace replicate
