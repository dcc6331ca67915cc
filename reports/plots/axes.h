#pragma once

#include <string>

#include "reports/plots/panel_data.h"

namespace replicate::report {

struct Ends {
  double low, high;
};

/// Where the x axis of a panel's data begins and ends.
Ends x_ends(const PanelData& data, bool logarithmic);

/// Ranges and tics that suit a panel's data; labels not included.
std::string x_axis(const PanelData& data, bool logarithmic);

/// About `ticks` labelled tics; 0 leaves their number to gnuplot where the axis is linear.
std::string y_axis(const PanelData& data, bool logarithmic, int ticks = 0);

/// As far to the left of the first layer as to the right of the last.
Ends layer_ends(double layers);

/// Layers 1 to `layers`. Of several panels above each other only the lowest needs labels.
std::string layer_axis(double layers, bool labelled);

/// Tics of axis "x" or "y" at whole numbers; where they begin at 1, as layers do, the 1 is among
/// them.
std::string whole_tics(const std::string& axis, double first, double last);

}  // namespace replicate::report
