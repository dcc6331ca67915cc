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

/// A layer to be marked in every panel: a grey band, or a dotted line behind the layer.
struct LayerMark {
  enum class Kind { sink, spike };
  Kind kind = Kind::sink;
  double layer = 0;
};

/// Titles of all cells in their order: the panels, then the maps, which begin a row where they are to be compared: the
/// cell before them may be empty, without a title.
std::vector<std::string> cell_titles(const Record& record);

/// gnuplot commands that draw a record's panels and maps into `svg` and `png`. Data are part of the script. All
/// maps share one colour scale.
std::string plot_script(const Record& record, const std::string& svg, const std::string& png,
                        const std::vector<LayerMark>& marks = {});

/// gnuplot's SVG with its tooltips ("gnuplot_plot_1a") removed and bold faces that browsers
/// understand.
std::string tidy_svg(std::string svg);

}  // namespace replicate
