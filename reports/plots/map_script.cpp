#include "reports/plots/map_script.h"

#include <algorithm>
#include <cmath>

#include "reports/plots/axes.h"
#include "reports/plots/panel_script.h"
#include "reports/plots/plot_script.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr double kMapWidth = 520, kMapLeft = 70, kMapSide = 340, kMapTop = 40, kMapFoot = 66;
constexpr double kBarGap = 14, kBarWidth = 14;
constexpr double kLogSpan = 100;      // a wider span of values gets a logarithmic scale ...
constexpr double kMostDecades = 1e4;  // ... down to this fraction of the largest

/// Viridis (van der Walt and Smith): even steps in brightness, readable without colours.
constexpr const char* kPalette =
    "set palette defined (0 '#440154', 1 '#482878', 2 '#3E4989', 3 '#31688E', 4 '#26828E', "
    "5 '#1F9E89', 6 '#35B779', 7 '#6DCD59', 8 '#B4DE2C', 9 '#FDE725')\n";

/// What rows and columns are. Records do not say, so it is told from the matrix.
struct MapAxes {
  std::string columns, rows, colours;
  int first = 0;  ///< layers and heads count from 1
};

MapAxes axes_of(const Map& map, const ModelRecord& model) {
  if (is_attention(map)) return {"key position", "query position", "attention probability", 0};
  const auto rows = static_cast<int64_t>(map.values.size());
  const auto columns = static_cast<int64_t>(map.values.front().size());
  if (rows == model.layers && columns == model.heads) return {"head", "layer", "", 1};
  return {"column", "row", "", 0};
}

bool has_numbers(const Map& map) {
  return std::any_of(map.values.begin(), map.values.end(), [](const auto& row) {
    return std::any_of(row.begin(), row.end(), [](double value) { return std::isfinite(value); });
  });
}

/// A key that the query cannot see has no attention, rather than little.
bool is_blank(double value, bool attention) { return !std::isfinite(value) || (attention && value == 0); }

bool same_quantity(const Map& a, const Map& b) { return a.name == b.name || (is_attention(a) && is_attention(b)); }

// ---- one map ----------------------------------------------------------------------------------------

std::string block_name(size_t index) { return "$map" + std::to_string(index + 1); }

std::string map_block(const Map& map, const ColourScale& scale, size_t index) {
  const bool attention = is_attention(map);
  std::string rows;
  for (const auto& row : map.values) {
    for (const double value : row)
      rows += (is_blank(value, attention) ? "NaN" : gnuplot_number(std::max(value, scale.low))) + " ";
    rows += "\n";
  }
  return data_block(block_name(index), rows);
}

std::string colour_commands(const ColourScale& scale, const std::string& label) {
  return std::string(kPalette) + (scale.logarithmic ? "set logscale cb 10\n" : "unset logscale cb\n") +
         "set cbrange [" + gnuplot_number(scale.low) + ":" + gnuplot_number(scale.high) + "]\nset cblabel " +
         gnuplot_quote(label) + "\n";
}

std::string colour_bar(const Cells& cells, size_t index) {
  const Sheet sheet = cells.sheet();
  const double left = cells.left(index) + kMapLeft + kMapSide + kBarGap;
  return "set colorbox vertical user origin " + at_screen(sheet, left, cells.top(index) + kMapTop + kMapSide) +
         " size screen " + gnuplot_number(kBarWidth / sheet.width) + "," + gnuplot_number(kMapSide / sheet.height) +
         "\n";
}

/// Rows run downwards, as matrices are printed.
std::string axis_commands(const Map& map, const MapAxes& axes) {
  const double first = axes.first, columns = static_cast<double>(map.values.front().size()),
               rows = static_cast<double>(map.values.size());
  return "set xrange [" + gnuplot_number(first - 0.5) + ":" + gnuplot_number(first + columns - 0.5) +
         "]\nset yrange [" + gnuplot_number(first + rows - 0.5) + ":" + gnuplot_number(first - 0.5) + "]\n" +
         whole_tics("x", first, first + columns - 1) + whole_tics("y", first, first + rows - 1) + "set xlabel " +
         gnuplot_quote(axes.columns) + "\nset ylabel " + gnuplot_quote(axes.rows) + "\n";
}

std::string map_commands(const Map& map, const ModelRecord& model, const ColourScale& scale, const Cells& cells,
                         size_t index) {
  const double left = cells.left(index) + kMapLeft, top = cells.top(index) + kMapTop;
  const MapAxes axes = axes_of(map, model);
  const std::string first = std::to_string(axes.first);
  return margins(cells.sheet(), {left, left + kMapSide, top, top + kMapSide}) + title_command(map.title) +
         axis_commands(map, axes) + colour_commands(scale, axes.colours) + colour_bar(cells, index) + "plot " +
         block_name(index) + " matrix using ($1+" + first + "):($2+" + first + "):3 with image notitle\n";
}

}  // namespace

bool has_maps(const Record& record) {
  const auto& maps = record.measurement.maps;
  return std::any_of(maps.begin(), maps.end(), has_numbers);
}

bool is_attention(const Map& map) {
  const auto& values = map.values;
  if (values.size() < 2 || values.front().size() != values.size()) return false;
  for (size_t query = 0; query < values.size(); ++query)
    for (size_t key = query + 1; key < values.size(); ++key)
      if (values[query][key] != 0) return false;
  return true;
}

ColourScale colour_scale(const std::vector<Map>& maps, size_t index) {
  double low = INFINITY, high = -INFINITY;
  for (const Map& map : maps) {
    if (!same_quantity(map, maps[index])) continue;
    const bool attention = is_attention(map);
    for (const auto& row : map.values)
      for (const double value : row) {
        if (is_blank(value, attention)) continue;
        low = std::min(low, value);
        high = std::max(high, value);
      }
  }
  if (low > high) return {};
  if (low == high) return {low - 0.5, high + 0.5};
  if (low <= 0 || high / low <= kLogSpan) return {low, high};
  const double floor = high / kMostDecades;
  return {std::max(low, floor), high, true, low < floor};
}

Sheet map_sheet(const Record& record) {
  const auto& maps = record.measurement.maps;
  const Cells cells{panel_grid(maps.size()), kMapWidth, kMapTop + kMapSide + kMapFoot};
  Sheet sheet = cells.sheet();
  sheet.commands = "unset grid\nunset key\n";
  for (size_t i = 0; i < maps.size(); ++i) {
    if (!has_numbers(maps[i])) continue;
    const ColourScale scale = colour_scale(maps, i);
    sheet.data += map_block(maps[i], scale, i);
    sheet.commands += map_commands(maps[i], record.model, scale, cells, i);
  }
  return sheet;
}

}  // namespace replicate::report
