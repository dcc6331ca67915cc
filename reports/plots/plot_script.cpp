#include "reports/plots/plot_script.h"

#include <algorithm>

#include "reports/plots/axes.h"
#include "reports/plots/panel_data.h"
#include "reports/plots/panel_script.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr double kCellWidth = 520, kSingleWidth = 680, kPlotHeight = 250;
constexpr double kUpright = 12;  // where a y label's middle stands, left of the widest tics
constexpr double kLeft = 84, kRight = 16, kTop = 40, kAxis = 64, kKeyRow = 20, kFoot = 10;
constexpr size_t kLongestLabel = 60;
constexpr size_t kLongestUpright = 45;  // a y label: longer ones leave the cell

/// All cells are of one size, so that axes line up across panels.
Cells cells_for(const Record& record) {
  size_t rows = 1;
  for (const Panel& panel : record.panels) rows = std::max(rows, legend_rows(panel));
  Cells cells{panel_grid(record.panels.size())};
  cells.width = cells.grid.columns == 1 ? kSingleWidth : kCellWidth;
  cells.height = kTop + kPlotHeight + kAxis + static_cast<double>(rows) * kKeyRow + kFoot;
  return cells;
}

std::string frame_commands(const Cells& cells, size_t index) {
  const double left = cells.left(index), top = cells.top(index), bottom = top + kTop + kPlotHeight;
  const Sheet sheet = cells.sheet();
  return margins(sheet, {left + kLeft, left + cells.width - kRight, top + kTop, bottom}) + "set key at " +
         at_screen(sheet, left + kLeft - 8, bottom + kAxis - 6) + "\n";
}

/// A label of our own: gnuplot's would move away from wide tics, and out of the cell.
std::string upright_label(const Panel& panel, const Cells& cells, size_t index) {
  return "set label 2 " + gnuplot_quote(clipped(panel.y, kLongestUpright)) + " at " +
         at_screen(cells.sheet(), cells.left(index) + kUpright, cells.top(index) + kTop + kPlotHeight / 2) +
         " center rotate by 90\n";
}

std::string axes(const Panel& panel, const PanelData& data) {
  return x_axis(data, panel.log_x) + y_axis(data, panel.log_y) + "set xlabel " +
         gnuplot_quote(clipped(panel.x, kLongestLabel)) + "\n";
}

std::string panel_commands(const Panel& panel, const PanelData& data, const Cells& cells, size_t index) {
  const std::string start = frame_commands(cells, index) + title_command(panel.title);
  if (data.empty()) return start + not_measured_command();
  return start + upright_label(panel, cells, index) + axes(panel, data) + plot_command(panel, data, index) +
         "unset label 2\n";
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

Sheet plot_sheet(const Record& record) {
  const Cells cells = cells_for(record);
  Sheet sheet = cells.sheet();
  for (size_t i = 0; i < record.panels.size(); ++i) {
    const PanelData data = panel_data(record, record.panels[i]);
    sheet.data += data_blocks(data, i, record.panels[i].log_y);
    sheet.commands += panel_commands(record.panels[i], data, cells, i);
  }
  return sheet;
}

std::string plot_script(const Record& record, const std::string& svg) { return script_of(plot_sheet(record), svg); }

}  // namespace replicate::report
