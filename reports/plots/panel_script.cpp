#include "reports/plots/panel_script.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "reports/plots/sheet.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr size_t kLongestKey = 60;

/// Okabe and Ito's colours, each with a dash and a marker of its own: print and colour blindness
/// lose nothing. The yellow is left out, it cannot be seen on white.
struct Style {
  const char *colour, *dash;
  int marker;
};
constexpr std::array<Style, 7> kStyles = {{{"#0072B2", "1", 7},
                                           {"#D55E00", "(9,4)", 5},
                                           {"#009E73", "(3,3)", 9},
                                           {"#CC79A7", "(9,3,2,3)", 13},
                                           {"#E69F00", "(14,4)", 11},
                                           {"#56B4E9", "(5,2)", 6},
                                           {"#6B6B6B", "(9,3,2,3,2,3)", 4}}};
constexpr std::array<const char*, 3> kThresholdDashes = {"(12,6)", "(3,6)", "(12,4,3,4)"};

// ---- data blocks ------------------------------------------------------------------------------------

/// A blank row breaks the line, where gnuplot would otherwise bridge a missing point.
std::string line_rows(const Curve& curve) {
  std::string rows;
  for (const Point& point : curve.points)
    rows += std::isnan(point.y) ? "\n" : gnuplot_number(point.x) + " " + gnuplot_number(point.y) + "\n";
  return rows;
}

std::string band_row(double x, const Point& point, double floor) {
  return gnuplot_number(x) + " " + gnuplot_number(std::max(point.low, floor)) + " " + gnuplot_number(point.high) + "\n";
}

/// A band of one point would have no width: it gets a sliver of the axis. `floor` replaces lower
/// bounds that a logarithmic axis cannot show.
std::string band_rows(const Curve& curve, const PanelData& data, double floor) {
  const double sliver = 0.004 * std::max(data.x_max - data.x_min, 1.0);
  const auto banded = [&](size_t i) { return i < curve.points.size() && !std::isnan(curve.points[i].low); };
  std::string rows;
  for (size_t i = 0; i < curve.points.size(); ++i) {
    const Point& point = curve.points[i];
    if (!banded(i)) {
      rows += "\n";
    } else if (!banded(i + 1) && (i == 0 || !banded(i - 1))) {
      rows += band_row(point.x - sliver, point, floor) + band_row(point.x + sliver, point, floor);
    } else {
      rows += band_row(point.x, point, floor);
    }
  }
  return rows;
}

std::string block_name(const std::string& kind, size_t panel, size_t curve) {
  return "$" + kind + std::to_string(panel + 1) + "_" + std::to_string(curve + 1);
}

// ---- curves -----------------------------------------------------------------------------------------

std::string band_clause(const std::string& block, const Style& style) {
  return block + " using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '" + style.colour +
         "' notitle";
}

std::string look(const Style& style) {
  return std::string(" with linespoints lc rgb '") + style.colour + "' dt " + style.dash + " lw 1.8 pt " +
         std::to_string(style.marker) + " ps 0.55";
}

/// Markers on every point of a short curve, on about sixteen of a long one.
std::string line_clause(const std::string& block, const Curve& curve, const Style& style) {
  const size_t interval = std::max<size_t>(1, (curve.points.size() + 15) / 32);
  return block + " using 1:2" + look(style) + " pi " + std::to_string(interval) + " notitle";
}

std::string legend_clause(const Curve& curve, const Style& style) {
  if (curve.drawable) return "keyentry" + look(style) + " title " + gnuplot_quote(clipped(curve.label, kLongestKey));
  return "keyentry with lines lc rgb '#BBBBBB' title " +
         gnuplot_quote(clipped(curve.label, kLongestKey - 15) + " (not measured)");
}

std::string threshold_clause(const std::string& label, double y, size_t index) {
  return gnuplot_number(y) + " with lines lw 1.4 lc rgb '#777777' dt " +
         kThresholdDashes[index % kThresholdDashes.size()] + " title " + gnuplot_quote(clipped(label, kLongestKey));
}

}  // namespace

std::string data_block(const std::string& name, const std::string& rows) { return name + " << END\n" + rows + "END\n"; }

std::string data_blocks(const PanelData& data, size_t panel, bool log_y) {
  std::string blocks;
  const double floor = log_y ? data.y_min : -INFINITY;
  for (size_t i = 0; i < data.curves.size(); ++i) {
    const Curve& curve = data.curves[i];
    if (curve.drawable) blocks += data_block(block_name("line", panel, i), line_rows(curve));
    if (curve.banded) blocks += data_block(block_name("band", panel, i), band_rows(curve, data, floor));
  }
  return blocks;
}

/// Later clauses are drawn over earlier ones: bands hide no line, and the first curve, which is the
/// claim's own, hides behind none. The legend keeps the order of the claim's YAML.
std::string plot_command(const Panel& panel, const PanelData& data, size_t index) {
  std::vector<std::string> bands, lines, legend;
  for (size_t i = data.curves.size(); i-- > 0;) {
    const Curve& curve = data.curves[i];
    const Style& style = kStyles[i % kStyles.size()];
    if (curve.banded) bands.push_back(band_clause(block_name("band", index, i), style));
    if (curve.drawable) lines.push_back(line_clause(block_name("line", index, i), curve, style));
    legend.insert(legend.begin(), legend_clause(curve, style));
  }
  for (size_t i = 0; i < panel.thresholds.size(); ++i)
    legend.push_back(threshold_clause(panel.thresholds[i].first, panel.thresholds[i].second, i));
  bands.insert(bands.end(), lines.begin(), lines.end());
  bands.insert(bands.end(), legend.begin(), legend.end());
  return "plot " + join(bands, ", \\\n     ") + "\n";
}

std::string title_command(const std::string& title, size_t longest) {
  return "set label 1 " + gnuplot_quote(clipped(title, longest)) +
         " at graph 0,1 left offset 0,character 0.9 font ':Bold'\n";
}

std::string not_measured_command() {
  return "unset logscale\nunset tics\nset xlabel ''\nset xrange [0:1]\nset yrange "
         "[0:1]\n"
         "set label 2 'not measured on this model' at graph 0.5,0.5 center textcolor rgb "
         "'#777777'\n"
         "plot NaN notitle\nunset label 2\nset tics\n";
}

size_t legend_rows(const Panel& panel) { return panel.curves.size() + panel.thresholds.size(); }

}  // namespace replicate::report
