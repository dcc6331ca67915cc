#pragma once

// gnuplot commands for the curves of one panel; axes and layout are the caller's.

#include <string>
#include <vector>

#include "harness/record/record.h"
#include "reports/document.h"
#include "reports/plots/axes.h"
#include "reports/plots/panel_data.h"
#include "reports/plots/style.h"

namespace replicate::report {

/// Data blocks of panel `index`, which its plot command names.
std::string data_blocks(const PanelData& data, size_t index);

std::string data_block(const std::string& name, const std::string& rows);

/// Draws the panel's curves, bands and thresholds into the frame and axes that are set, with or without a legend.
std::string plot_command(const Panel& panel, const PanelData& data, size_t index, bool legend = true);

/// "set label 1 ...": a bold title above the frame's upper left corner, cut where it would leave a
/// cell of the grid.
std::string title_command(const std::string& title, size_t longest = 64);

/// What stands in a frame when none of the panel's curves was measured.
std::string not_measured_command();

/// What the legend of a panel explains, one entry per row: gnuplot sets entries side by side only when its own guess of
/// their width fits, so no other number of rows can be relied on. Curves that were not measured are not in it.
struct LegendEntry {
  std::string label;
  Style style;
  bool operator==(const LegendEntry&) const = default;
};
std::vector<LegendEntry> legend_of(const Panel& panel, const PanelData& data);

/// The same curves in numbers: `x` are the ends of the x axis, `area` what the axes enclose, in pixels of the sheet.
Plotted plotted(const Panel& panel, const PanelData& data, const Ends& x, const Window& area);

}  // namespace replicate::report
