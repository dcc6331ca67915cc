#include "reports/plot_script.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <regex>
#include <sstream>

#include "reports/findings.h"
#include "reports/map_script.h"
#include "reports/text.h"

namespace replicate {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

// Pixels of the SVG; the PNG has kPngScale times as many.
constexpr double kCellWidth = 520, kSingleWidth = 680, kPlotHeight = 250;
constexpr double kLeft = 92, kRight = 16, kTop = 40, kAxis = 64, kKeyRow = 20, kFoot = 10;
constexpr double kUpright = 12;  // centre of the y label, from the cell's left edge
constexpr double kBoxGap = 12, kBoxWidth = 12, kBoxLabels = 62;  // a map's colour box
constexpr int kPngScale = 2;
constexpr size_t kLongestLabel = 60, kLongestTitle = 57;
constexpr size_t kLongestUpright = 45;  // a y label: longer ones leave the cell

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

std::string clipped(const std::string& words, size_t longest) {
  const std::string whole = clean(words);
  if (display_width(whole) <= longest) return whole;
  return wrap(whole, longest - 1).front() + "…";
}

std::string number(double value) {
  std::ostringstream out;
  out.precision(10);
  out << value;
  return out.str();
}

// ---- what a panel shows -----------------------------------------------------------------------

struct Point {
  double x = 0, y = 0, low = kNothing, high = kNothing;
};

struct Curve {
  std::string label;
  std::vector<Point> points;  ///< y is NaN where there is nothing to draw
  bool drawable = false, banded = false;
};

/// A panel's curves with everything unfit for its axes made NaN, and the ranges that are left.
struct PanelData {
  std::vector<Curve> curves;
  double x_min = INFINITY, x_max = -INFINITY, y_min = INFINITY, y_max = -INFINITY;
  bool integer_x = true;
  bool empty() const { return x_min > x_max; }
};

bool fits(double value, bool log_axis) { return std::isfinite(value) && (!log_axis || value > 0); }

double at_or_nothing(const std::vector<double>& values, size_t i) {
  return i < values.size() ? values[i] : kNothing;
}

Point point_of(const Series& series, size_t i, const Panel& panel) {
  Point point{series.x[i], at_or_nothing(series.y, i), at_or_nothing(series.low, i),
              at_or_nothing(series.high, i)};
  if (!fits(point.x, panel.log_x) || !fits(point.y, panel.log_y)) point.y = kNothing;
  if (std::isnan(point.y) || !std::isfinite(point.low) || !fits(point.high, panel.log_y))
    point.low = point.high = kNothing;
  return point;
}

Curve curve_of(const Record& record, const PanelCurve& wanted, const Panel& panel) {
  Curve curve{wanted.label.empty() ? wanted.series : wanted.label, {}};
  const Series* series = find_series(record, wanted);
  if (series == nullptr) return curve;
  for (size_t i = 0; i < series->x.size(); ++i) curve.points.push_back(point_of(*series, i, panel));
  for (const Point& point : curve.points) {
    curve.drawable |= !std::isnan(point.y);
    curve.banded |= !std::isnan(point.low);
  }
  return curve;
}

void include(PanelData& data, const Point& point, bool log_y) {
  if (std::isnan(point.y)) return;
  data.x_min = std::min(data.x_min, point.x);
  data.x_max = std::max(data.x_max, point.x);
  data.integer_x &= point.x == std::floor(point.x);
  for (const double y : {point.y, point.low, point.high}) {
    if (!fits(y, log_y)) continue;
    data.y_min = std::min(data.y_min, y);
    data.y_max = std::max(data.y_max, y);
  }
}

PanelData panel_data(const Record& record, const Panel& panel) {
  PanelData data;
  for (const PanelCurve& curve : panel.curves) {
    data.curves.push_back(curve_of(record, curve, panel));
    for (const Point& point : data.curves.back().points) include(data, point, panel.log_y);
  }
  if (data.empty()) return data;
  for (const auto& [label, y] : panel.thresholds) {
    if (!fits(y, panel.log_y)) continue;
    data.y_min = std::min(data.y_min, y);
    data.y_max = std::max(data.y_max, y);
  }
  return data;
}

// ---- data blocks ------------------------------------------------------------------------------

/// A blank row breaks the line, where gnuplot would otherwise bridge a missing point.
std::string line_rows(const Curve& curve) {
  std::string rows;
  for (const Point& point : curve.points)
    rows += std::isnan(point.y) ? "\n" : number(point.x) + " " + number(point.y) + "\n";
  return rows;
}

std::string band_row(double x, const Point& point, double floor) {
  return number(x) + " " + number(std::max(point.low, floor)) + " " + number(point.high) + "\n";
}

/// A band of one point would have no width: it gets a sliver of the axis. `floor` replaces lower
/// bounds that a logarithmic axis cannot show.
std::string band_rows(const Curve& curve, const PanelData& data, double floor) {
  const double sliver = 0.004 * std::max(data.x_max - data.x_min, 1.0);
  const auto banded = [&](size_t i) {
    return i < curve.points.size() && !std::isnan(curve.points[i].low);
  };
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

std::string data_block(const std::string& name, const std::string& rows) {
  return name + " << END\n" + rows + "END\n";
}

std::string data_blocks(const PanelData& data, size_t panel, bool log_y) {
  std::string blocks;
  const double floor = log_y ? data.y_min : -INFINITY;
  for (size_t i = 0; i < data.curves.size(); ++i) {
    const Curve& curve = data.curves[i];
    if (curve.drawable) blocks += data_block(block_name("line", panel, i), line_rows(curve));
    if (curve.banded)
      blocks += data_block(block_name("band", panel, i), band_rows(curve, data, floor));
  }
  return blocks;
}

// ---- layout -----------------------------------------------------------------------------------

/// One entry a row: gnuplot sets entries side by side only when its own guess of their width fits, so no
/// other number of rows can be relied on.
size_t legend_rows(const Panel& panel) { return panel.curves.size() + panel.thresholds.size(); }

/// All cells are of one size, so that axes line up across panels.
struct Layout {
  Grid grid;
  double cell_width = 0, cell_height = 0;
  double width() const { return cell_width * static_cast<double>(grid.columns); }
  double height() const { return cell_height * static_cast<double>(grid.rows); }
};

Layout layout_of(const Record& record) {
  Layout layout;
  layout.grid = panel_grid(cell_titles(record).size());
  size_t rows = 1;
  for (const Panel& panel : record.panels) rows = std::max(rows, legend_rows(panel));
  layout.cell_width = layout.grid.columns == 1 ? kSingleWidth : kCellWidth;
  layout.cell_height = kTop + kPlotHeight + kAxis + static_cast<double>(rows) * kKeyRow + kFoot;
  return layout;
}

/// Margins of panel `index` as fractions of the drawing; gnuplot counts from the bottom.
std::string margins(const Layout& layout, size_t index, double right = kRight) {
  const double left = static_cast<double>(index % layout.grid.columns) * layout.cell_width;
  const double top = static_cast<double>(index / layout.grid.columns) * layout.cell_height;
  const auto x = [&](double pixels) { return number(pixels / layout.width()); };
  const auto y = [&](double pixels) { return number(1 - pixels / layout.height()); };
  const double plot_bottom = top + kTop + kPlotHeight;
  return "set lmargin at screen " + x(left + kLeft) + "\nset rmargin at screen " +
         x(left + layout.cell_width - right) + "\nset tmargin at screen " + y(top + kTop) +
         "\nset bmargin at screen " + y(plot_bottom) + "\nset key at screen " +
         x(left + kLeft - 8) + "," + y(plot_bottom + kAxis - 6) + "\n";
}

/// gnuplot would move a y label out of the cell where tick labels are long: here it keeps its place.
std::string y_label(const std::string& words, const Layout& layout, size_t index) {
  const double left = static_cast<double>(index % layout.grid.columns) * layout.cell_width;
  return "set label 3 " + gnuplot_quote(clipped(words, kLongestUpright)) + " at screen " +
         number((left + kUpright) / layout.width()) + ", graph 0.5 center rotate by 90\n";
}

/// Beside the map, within its cell.
std::string colour_box(const Layout& layout, size_t index) {
  const double left = static_cast<double>(index % layout.grid.columns) * layout.cell_width +
                      layout.cell_width - kBoxWidth - kBoxLabels;
  const double bottom =
      static_cast<double>(index / layout.grid.columns) * layout.cell_height + kTop + kPlotHeight;
  return "set colorbox vertical user origin " + number(left / layout.width()) + "," +
         number(1 - bottom / layout.height()) + " size " + number(kBoxWidth / layout.width()) + "," +
         number(kPlotHeight / layout.height()) + "\n";
}

// ---- axes -------------------------------------------------------------------------------------

double nice_step(double span, double ticks) {
  const double rough = std::max(span / ticks, 1.0);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough) return factor * power;
  return 10 * power;
}

/// Sweeps that double (lengths, visible positions) read best in powers of two.
std::string log_x_axis(const PanelData& data) {
  const bool doubling = data.integer_x && data.x_max / data.x_min <= 4096;
  return std::string("set logscale x ") + (doubling ? "2" : "10") +
         "\nset xtics autofreq\nset xrange [" + number(data.x_min / 1.15) + ":" +
         number(data.x_max * 1.15) + "]\n";
}

std::string linear_x_axis(const PanelData& data) {
  const double span = data.x_max - data.x_min;
  const double margin = span > 0 ? std::max(0.02 * span, data.integer_x ? 0.5 : 0.0) : 1;
  std::string axis =
      "set xrange [" + number(data.x_min - margin) + ":" + number(data.x_max + margin) + "]\n";
  if (!data.integer_x) return axis + "set xtics autofreq\n";
  const double step = nice_step(span, 10);
  axis += "set xtics 0," + number(step) + "\n";
  if (data.x_min == 1 && step > 1) axis += "set xtics add (\"1\" 1)\n";
  return axis;
}

/// From zero where that costs little: heights can then be compared by eye.
std::string linear_y_axis(const PanelData& data) {
  const double span = data.y_max - data.y_min;
  const double margin = span > 0 ? 0.05 * span : std::max(0.05 * std::abs(data.y_max), 0.05);
  const bool from_zero = data.y_min >= 0 && data.y_min <= 0.5 * data.y_max;
  return "set ytics autofreq\nset yrange [" + number(from_zero ? 0 : data.y_min - margin) + ":" +
         number(data.y_max + margin) + "]\n";
}

/// gnuplot labels powers of ten alone, of which a short axis has one or none.
std::string log_ticks(double low, double high) {
  constexpr double kShort = 30;
  if (high / low > kShort) return "set ytics autofreq\n";
  std::vector<std::string> ticks;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if (factor * power >= low && factor * power <= high) ticks.push_back(number(factor * power));
  return "set ytics (" + join(ticks, ",") + ")\n";
}

std::string log_y_axis(const PanelData& data) {
  const double low = data.y_min / 1.3, high = data.y_max * 1.3;
  return "set logscale y 10\nset mytics 10\n" + log_ticks(low, high) + "set yrange [" +
         number(low) + ":" + number(high) + "]\n";
}

std::string axes(const Panel& panel, const PanelData& data) {
  std::string commands = "unset logscale\nset mytics default\n";
  commands += panel.log_x ? log_x_axis(data) : linear_x_axis(data);
  commands += panel.log_y ? log_y_axis(data) : linear_y_axis(data);
  return commands + "set xlabel " + gnuplot_quote(clipped(panel.x, kLongestLabel)) +
         "\nset ylabel ''\n";
}

std::string title(const std::string& words) {
  return "set label 1 " + gnuplot_quote(clipped(words, kLongestTitle)) +
         " at graph 0,1 left offset 0,character 0.9 font ':Bold'\n";
}

// ---- curves -----------------------------------------------------------------------------------

std::string band_clause(const std::string& block, const Style& style) {
  return block +
         " using 1:2:3 with filledcurves fillstyle transparent solid 0.18 noborder lc rgb '" +
         style.colour + "' notitle";
}

std::string look(const Style& style) {
  return std::string(" with linespoints lc rgb '") + style.colour + "' dt " + style.dash +
         " lw 1.8 pt " + std::to_string(style.marker) + " ps 0.55";
}

/// Markers on every point of a short curve, on about sixteen of a long one.
std::string line_clause(const std::string& block, const Curve& curve, const Style& style) {
  const size_t interval = std::max<size_t>(1, (curve.points.size() + 15) / 32);
  return block + " using 1:2" + look(style) + " pi " + std::to_string(interval) + " notitle";
}

std::string legend_clause(const Curve& curve, const Style& style) {
  if (curve.drawable)
    return "keyentry" + look(style) + " title " +
           gnuplot_quote(clipped(curve.label, kLongestLabel));
  return "keyentry with lines lc rgb '#BBBBBB' title " +
         gnuplot_quote(clipped(curve.label, kLongestLabel - 15) + " (not measured)");
}

std::string threshold_clause(const std::string& label, double y, size_t index) {
  return number(y) + " with lines lw 1.4 lc rgb '#777777' dt " +
         kThresholdDashes[index % kThresholdDashes.size()] + " title " +
         gnuplot_quote(clipped(label, kLongestLabel));
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

std::string note_instead() {
  return "unset logscale\nunset tics\nset xlabel ''\nset ylabel ''\nset xrange [0:1]\nset yrange "
         "[0:1]\n"
         "set label 2 'not measured on this model' at graph 0.5,0.5 center textcolor rgb "
         "'#777777'\n"
         "plot NaN notitle\nunset label 2\nset tics\n";
}

/// A spike is what a layer does to its output, which the panels show at the next layer's input: its line stands
/// between the two.
std::string mark_commands(const std::vector<LayerMark>& marks) {
  std::string commands;
  int object = 1;
  for (const LayerMark& mark : marks) {
    if (mark.kind == LayerMark::Kind::sink)
      commands += "set object " + std::to_string(object++) + " rectangle from first " +
                  number(mark.layer - 0.5) + ", graph 0 to first " + number(mark.layer + 0.5) +
                  ", graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.16 noborder\n";
    else
      commands += "set arrow from first " + number(mark.layer + 0.5) + ", graph 0 to first " +
                  number(mark.layer + 0.5) + ", graph 1 nohead dt (2,4) lw 1.4 lc rgb '#777777'\n";
  }
  return commands;
}

std::string panel_commands(const Panel& panel, const PanelData& data, const Layout& layout,
                           size_t index) {
  const std::string frame = "unset label 3\n" + margins(layout, index) + title(panel.title);
  if (data.empty()) return frame + note_instead();
  return frame + axes(panel, data) + y_label(panel.y, layout, index) + plot_command(panel, data, index);
}

/// Several maps are compared with one another: they begin a row of the grid, which has two columns.
size_t first_map_cell(const Record& record) {
  const size_t panels = record.panels.size();
  return record.measurement.maps.size() > 1 ? panels + panels % 2 : panels;
}

std::string map_cell(const Record& record, size_t map, const Layout& layout) {
  const size_t cell = first_map_cell(record) + map;
  return "unset label 3\n" + margins(layout, cell, kBoxGap + kBoxWidth + kBoxLabels) + colour_box(layout, cell) +
         title(record.measurement.maps[map].title) + map_commands(record.measurement.maps, map);
}

// ---- terminals --------------------------------------------------------------------------------

constexpr const char* kCommonSettings = R"(set encoding utf8
set samples 2
set border 3 lc rgb '#777777'
set tics nomirror out scale 0.6 textcolor lt -1
set format '%g'
set grid ytics lc rgb '#B0B0B0' lw 0.6 dt (1,3)
set key left top vertical maxcols 1 Left reverse samplen 3.2 spacing 1.1
set ylabel offset 0,0
set xlabel offset 0,0.5
)";

std::string size_of(const Layout& layout, int scale) {
  return number(layout.width() * scale) + "," + number(layout.height() * scale);
}

std::string svg_terminal(const Layout& layout) {
  return "set terminal svg size " + size_of(layout, 1) + " dynamic noenhanced font 'Sans,13'\n";
}

std::string png_terminal(const Layout& layout) {
  return "set terminal pngcairo size " + size_of(layout, kPngScale) +
         " noenhanced font 'Sans,10' fontscale " + std::to_string(kPngScale) + " linewidth " +
         std::to_string(kPngScale) + " pointscale " + std::to_string(kPngScale) + "\n";
}

}  // namespace

Grid panel_grid(size_t panels) {
  Grid grid;
  grid.columns = panels > 1 ? 2 : 1;
  grid.rows = std::max<size_t>(1, (panels + grid.columns - 1) / grid.columns);
  return grid;
}

std::vector<std::string> cell_titles(const Record& record) {
  std::vector<std::string> titles;
  for (const Panel& panel : record.panels) titles.push_back(panel.title);
  if (!record.measurement.maps.empty()) titles.resize(first_map_cell(record));
  for (const Map& map : record.measurement.maps) titles.push_back(map.title);
  return titles;
}

std::string plot_script(const Record& record, const std::string& svg, const std::string& png,
                        const std::vector<LayerMark>& marks) {
  const Layout layout = layout_of(record);
  std::string blocks = map_blocks(record.measurement.maps), panels = mark_commands(marks);
  for (size_t i = 0; i < record.panels.size(); ++i) {
    const PanelData data = panel_data(record, record.panels[i]);
    blocks += data_blocks(data, i, record.panels[i].log_y);
    panels += panel_commands(record.panels[i], data, layout, i);
  }
  for (size_t i = 0; i < record.measurement.maps.size(); ++i) panels += map_cell(record, i, layout);
  panels = "set multiplot\n" + panels + "unset multiplot\nunset output\n";
  return blocks + svg_terminal(layout) + "set output " + gnuplot_quote(svg) + "\n" +
         kCommonSettings + panels + png_terminal(layout) + "set output " + gnuplot_quote(png) +
         "\n" + panels;
}

std::string tidy_svg(std::string svg) {
  static const std::regex kTooltip("<title>[A-Za-z0-9_ ]*</title>");
  svg = std::regex_replace(svg, kTooltip, "");
  replace_all(svg, "font-family=\"Sans:Bold\"", "font-family=\"Sans\" font-weight=\"bold\"");
  replace_all(svg, "font-family=\":Bold\"", "font-family=\"Sans\" font-weight=\"bold\"");
  replace_all(svg, "font-family=\"Sans\"",
              "font-family=\"Helvetica, Arial, DejaVu Sans, sans-serif\"");
  return svg;
}

}  // namespace replicate
