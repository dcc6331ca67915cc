#pragma once

#include <string>

#include "reports/document.h"

namespace replicate::report {

/// Something for gnuplot to draw, in pixels of its SVG.
struct Sheet {
  double width = 0, height = 0;
  std::string data;      ///< named data blocks
  std::string commands;  ///< what draws them
  double font = 13;      ///< size of its type
};

/// 8 points, of which 72 make an inch, where 96 pixels do.
inline constexpr double kColumnFont = 8.0 * 96 / 72;

/// The whole script that draws a sheet into a file, as SVG or, where the name ends in .pdf, as PDF of the same size.
/// Data are part of the script.
std::string script_of(const Sheet& sheet, const std::string& file);

/// A rectangle of a sheet, in pixels from its top left corner.
struct Frame {
  double left = 0, right = 0, top = 0, bottom = 0;
};

inline Window window_of(const Frame& frame) {
  return {frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top};
}

/// Sets the four margins, which gnuplot counts as fractions of the sheet, and from the bottom.
std::string margins(const Sheet& sheet, const Frame& frame);

/// A place on the sheet as gnuplot's "screen" coordinates.
std::string at_screen(const Sheet& sheet, double x, double y);

std::string gnuplot_number(double value);

/// One line of at most so many columns, cut with an ellipsis.
std::string clipped(const std::string& words, size_t longest);

/// gnuplot's SVG with its tooltips ("gnuplot_plot_1a") removed, bold faces that browsers
/// understand, and images whose pixels stay squares.
std::string tidy_svg(std::string svg);

}  // namespace replicate::report
