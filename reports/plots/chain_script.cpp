#include "reports/plots/chain_script.h"

#include <cmath>

#include "reports/plots/axes.h"
#include "reports/plots/panel_data.h"
#include "reports/plots/panel_script.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr double kChainWidth = 1040, kChainLeft = 66, kChainLegend = 240, kChainHead = 26;
constexpr double kChainTitle = 28, kChainPanel = 88, kChainFoot = 58;
constexpr double kPlotWidth = kChainWidth - kChainLeft - kChainLegend;
constexpr int kTicks = 5;
constexpr size_t kLongestTitle = 110;
constexpr double kMarkWidth = 64;  // "layer 12", with a little air

double panel_top(size_t index) {
  return kChainHead + kChainTitle + static_cast<double>(index) * (kChainPanel + kChainTitle);
}

double pixels(double layer, const ChainFigure& figure) {
  return kChainLeft + kPlotWidth * (layer - 0.5) / figure.layers;
}

// ---- marks ------------------------------------------------------------------------------------------

std::string band(double layer, int index) {
  return "set object " + std::to_string(index) + " rectangle from first " + gnuplot_number(layer - 0.5) +
         ", graph 0 to first " + gnuplot_number(layer + 0.5) +
         ", graph 1 behind fillcolor rgb '#808080' fillstyle transparent solid 0.15 noborder\n";
}

std::string line(double layer, bool dominant, int index) {
  const std::string x = gnuplot_number(layer + 0.5);
  return "set arrow " + std::to_string(index) + " from first " + x + ", graph 0 to first " + x +
         ", graph 1 nohead dt " + (dominant ? "1 lw 1.6" : "(4,4) lw 1.2") + " lc rgb '#777777'\n";
}

std::string marks_in_panels(const ChainFigure& figure) {
  std::string commands;
  int index = 0;
  for (const double layer : figure.sink_layers) commands += band(layer, ++index);
  index = 0;
  for (const double layer : figure.spikes) commands += line(layer, layer == figure.dominant_spike, ++index);
  return commands;
}

std::string label(int index, const std::string& words, const std::string& place) {
  return "set label " + std::to_string(index) + " " + gnuplot_quote(words) + " at " + place +
         " textcolor rgb '#777777'\n";
}

/// Names of the lines above the first panel, the dominant one first; those too close to one that
/// has its name go without.
std::string names_of_lines(const ChainFigure& figure, const Sheet& sheet) {
  std::vector<double> order = {figure.dominant_spike}, named;
  order.insert(order.end(), figure.spikes.begin(), figure.spikes.end());
  std::string commands;
  int index = 10;
  for (const double layer : order) {
    const double x = pixels(layer + 0.5, figure);
    bool is_free = layer > 0;
    for (const double other : named) is_free &= std::abs(x - other) >= kMarkWidth;
    if (!is_free) continue;
    named.push_back(x);
    commands += label(++index, "spike " + gnuplot_number(layer), at_screen(sheet, x, kChainHead / 2 + 4) + " center");
  }
  return commands;
}

// ---- panels -----------------------------------------------------------------------------------------

Frame frame_of_link(size_t index) {
  return {kChainLeft, kChainLeft + kPlotWidth, panel_top(index), panel_top(index) + kChainPanel};
}

std::string frame_commands(const Sheet& sheet, size_t index) {
  const Frame frame = frame_of_link(index);
  return margins(sheet, frame) + "set key at " + at_screen(sheet, frame.right + 8, frame.top) + "\n";
}

std::string panel_commands(const ChainFigure& figure, const PanelData& data, const Sheet& sheet, size_t index) {
  const Panel& panel = figure.series.panels[index];
  const bool lowest = index + 1 == figure.series.panels.size();
  const std::string start = frame_commands(sheet, index) + title_command(panel.title, kLongestTitle) +
                            (lowest ? "set xlabel 'layer'\n" : "set xlabel ''\n");
  if (data.empty()) return start + not_measured_command();
  return start + layer_axis(figure.layers, lowest) + y_axis(data, panel.log_y, kTicks) +
         plot_command(panel, data, index);
}

}  // namespace

Sheet chain_sheet(const ChainFigure& figure) {
  const auto& panels = figure.series.panels;
  Sheet sheet;
  sheet.width = kChainWidth;
  sheet.height = panel_top(panels.size()) - kChainTitle + kChainFoot;
  sheet.commands = marks_in_panels(figure) + names_of_lines(figure, sheet);
  for (size_t i = 0; i < panels.size(); ++i) {
    const PanelData data = panel_data(figure.series, panels[i]);
    sheet.data += data_blocks(data, i);
    sheet.commands += panel_commands(figure, data, sheet, i);
  }
  sheet.commands += "unset label\nunset arrow\nunset object\nset format x '%g'\nset xlabel ''\n";
  return sheet;
}

std::vector<Plotted> plotted_panels(const ChainFigure& figure) {
  std::vector<Plotted> panels;
  for (size_t i = 0; i < figure.series.panels.size(); ++i) {
    const Panel& panel = figure.series.panels[i];
    const PanelData data = panel_data(figure.series, panel);
    if (!data.empty()) panels.push_back(plotted(panel, data, layer_ends(figure.layers), window_of(frame_of_link(i))));
  }
  return panels;
}

}  // namespace replicate::report
