#include "reports/plots/panel_script.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "reports/plots/sheet.h"
#include "reports/plots/style.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr size_t kLongestKey = 60;

constexpr const char* kThresholdInk = "#777777";
constexpr std::array<const char*, 3> kThresholdDashes = {"(12,6)", "(3,6)", "(12,4,3,4)"};

// ---- data blocks ------------------------------------------------------------------------------------

/// A blank row breaks the line, where gnuplot would otherwise bridge a missing point.
std::string line_rows(const Curve& curve) {
  std::string rows;
  for (const Point& point : curve.points)
    rows += std::isnan(point.y) ? "\n" : gnuplot_number(point.x) + " " + gnuplot_number(point.y) + "\n";
  return rows;
}

std::string band_row(double x, const Point& point) {
  return gnuplot_number(x) + " " + gnuplot_number(point.low) + " " + gnuplot_number(point.high) + "\n";
}

/// A band of one point would have no width: it gets a sliver of the axis.
std::string band_rows(const Curve& curve, const PanelData& data) {
  const double sliver = 0.004 * std::max(data.x_max - data.x_min, 1.0);
  const auto banded = [&](size_t i) { return i < curve.points.size() && !std::isnan(curve.points[i].low); };
  std::string rows;
  for (size_t i = 0; i < curve.points.size(); ++i) {
    const Point& point = curve.points[i];
    if (!banded(i)) {
      rows += "\n";
    } else if (!banded(i + 1) && (i == 0 || !banded(i - 1))) {
      rows += band_row(point.x - sliver, point) + band_row(point.x + sliver, point);
    } else {
      rows += band_row(point.x, point);
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
  return " with linespoints lc rgb '" + style.colour + "' dt " + style.dash + " lw 1.8 pt " +
         std::to_string(style.marker) + " ps 0.55";
}

/// Markers on every point of a short curve, on about sixteen of a long one.
std::string line_clause(const std::string& block, const Curve& curve, const Style& style) {
  const size_t interval = std::max<size_t>(1, (curve.points.size() + 15) / 32);
  return block + " using 1:2" + look(style) + " pi " + std::to_string(interval) + " notitle";
}

std::string curve_entry(const LegendEntry& entry) {
  return "keyentry" + look(entry.style) + " title " + gnuplot_quote(clipped(entry.label, kLongestKey));
}

Style threshold_style(size_t index) { return {kThresholdInk, kThresholdDashes[index % kThresholdDashes.size()], 0}; }

std::string threshold_clause(const std::string& label, double y, size_t index, bool legend) {
  const Style style = threshold_style(index);
  return gnuplot_number(y) + " with lines lw 1.4 lc rgb '" + style.colour + "' dt " + style.dash +
         (legend ? " title " + gnuplot_quote(clipped(label, kLongestKey)) : " notitle");
}

}  // namespace

std::string data_block(const std::string& name, const std::string& rows) { return name + " << END\n" + rows + "END\n"; }

std::string data_blocks(const PanelData& data, size_t panel) {
  std::string blocks;
  for (size_t i = 0; i < data.curves.size(); ++i) {
    const Curve& curve = data.curves[i];
    if (curve.drawable) blocks += data_block(block_name("line", panel, i), line_rows(curve));
    if (curve.banded) blocks += data_block(block_name("band", panel, i), band_rows(curve, data));
  }
  return blocks;
}

/// Later clauses are drawn over earlier ones: bands hide no line, and the first curve, which is the
/// claim's own, is hidden by none. The legend keeps the order of the claim's YAML.
std::string plot_command(const Panel& panel, const PanelData& data, size_t index, bool legend) {
  std::vector<std::string> clauses, lines;
  const std::vector<Style> styles = styles_of(panel);
  for (size_t i = data.curves.size(); i-- > 0;) {
    const Curve& curve = data.curves[i];
    if (curve.banded) clauses.push_back(band_clause(block_name("band", index, i), styles[i]));
    if (curve.drawable) lines.push_back(line_clause(block_name("line", index, i), curve, styles[i]));
  }
  clauses.insert(clauses.end(), lines.begin(), lines.end());
  for (size_t i = 0; legend && i < data.curves.size(); ++i)
    if (data.curves[i].drawable) clauses.push_back(curve_entry({data.curves[i].label, styles[i]}));
  for (size_t i = 0; i < panel.thresholds.size(); ++i)
    clauses.push_back(threshold_clause(panel.thresholds[i].first, panel.thresholds[i].second, i, legend));
  return "plot " + join(clauses, ", \\\n     ") + "\n";
}

std::vector<LegendEntry> legend_of(const Panel& panel, const PanelData& data) {
  std::vector<LegendEntry> entries;
  const std::vector<Style> styles = styles_of(panel);
  for (size_t i = 0; i < data.curves.size(); ++i)
    if (data.curves[i].drawable) entries.push_back({data.curves[i].label, styles[i]});
  for (size_t i = 0; i < panel.thresholds.size(); ++i)
    entries.push_back({panel.thresholds[i].first, threshold_style(i)});
  return entries;
}

Plotted plotted(const Panel& panel, const PanelData& data, const Ends& x, const Window& area) {
  Plotted result{panel.x, panel.log_x, x.low, x.high, area, {}};
  const std::vector<Style> styles = styles_of(panel);
  for (size_t i = 0; i < data.curves.size(); ++i) {
    const Curve& curve = data.curves[i];
    if (!curve.drawable) continue;
    result.curves.push_back({curve.label, styles[i].colour, {}});
    for (const Point& point : curve.points)
      if (!std::isnan(point.y)) result.curves.back().points.push_back({point.x, point.y, point.low, point.high});
  }
  return result;
}

std::string title_command(const std::string& title, size_t longest) {
  return "set label 1 " + gnuplot_quote(clipped(title, longest)) +
         " at graph 0,1 left offset 0,character 0.9 font ':Bold'\n";
}

std::string not_measured_command() {
  return "unset logscale\nunset tics\nset xlabel ''\nset xrange [0:1]\nset yrange "
         "[0:1]\n"
         "set label 2 'not measured' at graph 0.5,0.5 center textcolor rgb "
         "'#777777'\n"
         "plot NaN notitle\nunset label 2\nset tics\n";
}

}  // namespace replicate::report
