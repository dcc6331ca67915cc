#include "reports/plots/plot_script.h"

#include <algorithm>

#include "reports/plots/axes.h"
#include "reports/plots/panel_data.h"
#include "reports/plots/panel_script.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr double kCellWidth = 520, kSingleWidth = 680, kPlotHeight = 250;
constexpr double kUpright = 12, kUprightLine = 15;  // where a y label's middle is, left of the widest tics; its lines
constexpr double kLeft = 84, kRight = 16, kTop = 40, kAxis = 64, kKeyRow = 20, kFoot = 10;
constexpr size_t kLongestLabel = 60, kLongestPanelTitle = 64;
constexpr size_t kLongestUpright = 36, kUprightLines = 2;

// A paper's column: 3.3 inches, in pixels of which 96 make an inch, with type of 8 points.
constexpr double kColumnWidth = 317, kColumnPlot = 170, kColumnLeft = 58, kColumnTop = 10, kColumnRight = 10;
constexpr double kColumnAxis = 40, kColumnKeyRow = 15, kColumnFoot = 4;
constexpr size_t kLongestColumnUpright = 26;

/// A panel with what there is to draw, and where.
struct Drawn {
  const Panel* panel;
  PanelData data;
  bool legend = true;
  Window cell = {};
};

/// The panels in which something was measured, not yet laid out.
std::vector<Drawn> drawn(const Record& record) {
  std::vector<Drawn> panels;
  for (const Panel& panel : record.panels)
    if (PanelData data = panel_data(record, panel); !data.empty()) panels.push_back({&panel, std::move(data)});
  return panels;
}

/// A legend that an earlier panel of the figure has given, or that is a part of it, is not repeated.
void drop_repeated_legends(std::vector<Drawn>& panels) {
  std::vector<LegendEntry> explained;
  for (Drawn& drawn : panels) {
    const auto entries = legend_of(*drawn.panel, drawn.data);
    const auto is_explained = [&](const LegendEntry& entry) { return std::ranges::count(explained, entry) > 0; };
    drawn.legend = !std::ranges::all_of(entries, is_explained);
    if (drawn.legend) explained.insert(explained.end(), entries.begin(), entries.end());
  }
}

double height_of(const Drawn& drawn) {
  const size_t rows = drawn.legend ? legend_of(*drawn.panel, drawn.data).size() : 0;
  return kTop + kPlotHeight + kAxis + static_cast<double>(rows) * kKeyRow + kFoot;
}

/// Row by row; cells of a row have one height, so that axes line up across it.
void lay_out(std::vector<Drawn>& panels) {
  const Grid grid = panel_grid(panels.size());
  const double width = grid.columns == 1 ? kSingleWidth : kCellWidth;
  double top = 0;
  for (size_t first = 0; first < panels.size(); first += grid.columns) {
    const size_t end = std::min(first + grid.columns, panels.size());
    double height = 0;
    for (size_t i = first; i < end; ++i) height = std::max(height, height_of(panels[i]));
    for (size_t i = first; i < end; ++i) panels[i].cell = {static_cast<double>(i - first) * width, top, width, height};
    top += height;
  }
}

std::vector<Drawn> laid_out(const Record& record) {
  std::vector<Drawn> panels = drawn(record);
  drop_repeated_legends(panels);
  lay_out(panels);
  return panels;
}

std::string key_at(const Sheet& sheet, double left, double top) {
  return "set key at " + at_screen(sheet, left, top) + "\n";
}

/// A label of our own: gnuplot's would move away from wide tics, and out of the cell. Long ones take two lines.
std::string upright_label(const std::string& words, const Sheet& sheet, double left, double middle, size_t longest) {
  auto lines = wrap(clean(words), longest);
  if (lines.size() > kUprightLines) {
    lines.resize(kUprightLines);
    lines.back() += "…";
  }
  std::string commands;
  for (size_t i = 0; i < lines.size(); ++i) {
    const double x =
        left + kUpright + (static_cast<double>(i) - static_cast<double>(lines.size() - 1) / 2) * kUprightLine;
    commands += "set label " + std::to_string(i + 2) + " " + gnuplot_quote(lines[i]) + " at " +
                at_screen(sheet, x, middle) + " center rotate by 90\n";
  }
  return commands;
}

std::string axes(const Panel& panel, const PanelData& data) {
  return x_axis(data, panel.log_x) + y_axis(data, panel.log_y) + "set xlabel " +
         gnuplot_quote(clipped(panel.x, kLongestLabel)) + "\n";
}

/// What the axes enclose.
Frame frame_of(const Drawn& drawn) {
  const auto& [left, top, width, height] = drawn.cell;
  return {left + kLeft, left + width - kRight, top + kTop, top + kTop + kPlotHeight};
}

std::string panel_commands(const Drawn& drawn, const Sheet& sheet, size_t index) {
  const Frame frame = frame_of(drawn);
  return margins(sheet, frame) + key_at(sheet, frame.left - 8, frame.bottom + kAxis - 6) +
         title_command(drawn.panel->title, kLongestPanelTitle) +
         upright_label(drawn.panel->y, sheet, drawn.cell.left, (frame.top + frame.bottom) / 2, kLongestUpright) +
         axes(*drawn.panel, drawn.data) + plot_command(*drawn.panel, drawn.data, index, drawn.legend) +
         "unset label 2\nunset label 3\n";
}

Sheet sheet_around(const std::vector<Drawn>& panels) {
  Sheet sheet;
  for (const Drawn& drawn : panels) {
    sheet.width = std::max(sheet.width, drawn.cell.left + drawn.cell.width);
    sheet.height = std::max(sheet.height, drawn.cell.top + drawn.cell.height);
  }
  return sheet;
}

}  // namespace

Grid panel_grid(size_t panels) {
  Grid grid;
  grid.columns = panels > 1 ? 2 : 1;
  grid.rows = std::max<size_t>(1, (panels + grid.columns - 1) / grid.columns);
  return grid;
}

Sheet Cells::sheet() const {
  return {width * static_cast<double>(grid.columns), height * static_cast<double>(grid.rows), {}, {}};
}

double Cells::left(size_t index) const { return static_cast<double>(index % grid.columns) * width; }

double Cells::top(size_t index) const {
  const size_t row = index / grid.columns;
  return static_cast<double>(row) * height;
}

std::vector<const Panel*> drawn_panels(const Record& record) {
  std::vector<const Panel*> panels;
  for (const Drawn& one : drawn(record)) panels.push_back(one.panel);
  return panels;
}

bool has_bands(const Record& record) {
  return std::ranges::any_of(drawn(record),
                             [](const Drawn& one) { return std::ranges::any_of(one.data.curves, &Curve::banded); });
}

Figure panel_figure(const Record& record, std::string drawing, Line caption) {
  Figure figure{std::move(drawing), {}, std::move(caption)};
  for (const Drawn& drawn : laid_out(record)) {
    const Panel& panel = *drawn.panel;
    figure.panels.push_back(panel.title);
    figure.windows.push_back(drawn.cell);
    figure.plotted.push_back(plotted(panel, drawn.data, x_ends(drawn.data, panel.log_x), window_of(frame_of(drawn))));
  }
  return figure;
}

Sheet plot_sheet(const Record& record) {
  const std::vector<Drawn> panels = laid_out(record);
  Sheet sheet = sheet_around(panels);
  for (size_t i = 0; i < panels.size(); ++i) {
    sheet.data += data_blocks(panels[i].data, i);
    sheet.commands += panel_commands(panels[i], sheet, i);
  }
  return sheet;
}

Sheet column_sheet(const Record& record, const Panel& panel) {
  const PanelData data = panel_data(record, panel);
  const double bottom = kColumnTop + kColumnPlot;
  Sheet sheet;
  sheet.width = kColumnWidth;
  sheet.height =
      bottom + kColumnAxis + static_cast<double>(legend_of(panel, data).size()) * kColumnKeyRow + kColumnFoot;
  sheet.font = kColumnFont;
  sheet.data = data_blocks(data, 0);
  sheet.commands = margins(sheet, {kColumnLeft, kColumnWidth - kColumnRight, kColumnTop, bottom}) +
                   key_at(sheet, kColumnLeft - 8, bottom + kColumnAxis - 4) +
                   upright_label(panel.y, sheet, 0, kColumnTop + kColumnPlot / 2, kLongestColumnUpright) +
                   axes(panel, data) + plot_command(panel, data, 0);
  return sheet;
}

std::string plot_script(const Record& record, const std::string& svg) { return script_of(plot_sheet(record), svg); }

}  // namespace replicate::report
