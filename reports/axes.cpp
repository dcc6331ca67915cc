#include "reports/axes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "reports/sheet.h"
#include "reports/text.h"

namespace replicate {
namespace {

constexpr int kUsualLogTicks = 6;
constexpr double kLarge = 1e5;  // from here on digits are hard to count

std::string range(const char* axis, double low, double high) {
  return std::string("set ") + axis + "range [" + gnuplot_number(low) + ":" + gnuplot_number(high) +
         "]\n";
}

/// 1, 2 or 5 times a power of ten, so that about `ticks` of them fill `span`.
double nice_step(double span, double ticks) {
  const double rough = span / ticks;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough) return factor * power;
  return 10 * power;
}

/// Between two powers of ten gnuplot would label nothing.
std::vector<double> steps_of_1_2_5(double low, double high) {
  std::vector<double> steps;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if (factor * power >= low && factor * power <= high) steps.push_back(factor * power);
  return steps;
}

std::vector<double> even_steps(double low, double high, double ticks) {
  const double step = nice_step(high - low, ticks);
  std::vector<double> steps;
  for (double at = std::ceil(low / step); at * step <= high; ++at) steps.push_back(at * step);
  return steps;
}

std::string listed_tics(const char* axis, const std::vector<double>& places) {
  std::vector<std::string> tics;
  for (const double place : places) tics.push_back(gnuplot_number(place));
  return std::string("set ") + axis + "tics (" + join(tics, ",") + ")\n";
}

/// "1.2M": tokens and parameters come in millions.
std::string large_tics(const std::vector<double>& places) {
  std::vector<std::string> tics;
  for (const double place : places) {
    const bool millions = place >= 1e6;
    const std::string label = gnuplot_number(place / (millions ? 1e6 : 1e3)) + (millions ? "M" : "k");
    tics.push_back("\"" + (place == 0 ? "0" : label) + "\" " + gnuplot_number(place));
  }
  return "set xtics (" + join(tics, ",") + ")\n";
}

/// Sweeps that double (lengths, visible positions) read best in powers of two.
std::string log_x_axis(const PanelData& data) {
  const bool doubling = data.integer_x && data.x_max / data.x_min <= 4096;
  const double low = data.x_min / 1.15, high = data.x_max * 1.15;
  const bool short_axis = !doubling && high / low < 30;
  return std::string("set logscale x ") + (doubling ? "2" : "10") + "\n" +
         (short_axis ? listed_tics("x", steps_of_1_2_5(low, high)) : "set xtics autofreq\n") + range("x", low, high);
}

std::string linear_x_axis(const PanelData& data) {
  const double span = data.x_max - data.x_min;
  const double margin = span > 0 ? std::max(0.02 * span, data.integer_x ? 0.5 : 0.0) : 1;
  if (data.x_max >= kLarge) {
    return range("x", data.x_min - margin, data.x_max + margin) + large_tics(even_steps(data.x_min, data.x_max, 5));
  }
  return range("x", data.x_min - margin, data.x_max + margin) +
         (data.integer_x ? whole_tics("x", data.x_min, data.x_max) : "set xtics autofreq\n");
}

/// From zero where that costs little: heights can then be compared by eye.
std::string linear_y_axis(const PanelData& data, int ticks) {
  const double span = data.y_max - data.y_min;
  const double margin = span > 0 ? 0.05 * span : std::max(0.05 * std::abs(data.y_max), 0.05);
  const bool from_zero = data.y_min >= 0 && data.y_min <= 0.5 * data.y_max;
  const double low = from_zero ? 0 : data.y_min - margin, high = data.y_max + margin;
  const std::string step = ticks > 0 ? gnuplot_number(nice_step(high - low, ticks)) : "autofreq";
  return range("y", low, high) + "set ytics " + step + "\n";
}

std::string log_y_axis(const PanelData& data, int ticks) {
  const double low = data.y_min / 1.3, high = data.y_max * 1.3;
  const double decades = std::log10(high / low);
  const std::string axis = "set logscale y 10\nset mytics 10\n" + range("y", low, high);
  if (decades < 0.7) return axis + listed_tics("y", even_steps(low, high, 3));
  if (decades < 1.5) return axis + listed_tics("y", steps_of_1_2_5(low, high));
  const int step = std::max(1, static_cast<int>(std::ceil(decades / ticks)));
  return axis + "set ytics " + gnuplot_number(std::pow(10, step)) + "\n" +
         (step > 1 ? "set mytics 1\n" : "");
}

}  // namespace

std::string x_axis(const PanelData& data, bool logarithmic) {
  return "unset logscale x\n" + (logarithmic ? log_x_axis(data) : linear_x_axis(data));
}

std::string y_axis(const PanelData& data, bool logarithmic, int ticks) {
  if (!logarithmic) return "unset logscale y\nset mytics default\n" + linear_y_axis(data, ticks);
  return log_y_axis(data, ticks > 0 ? ticks : kUsualLogTicks);
}

std::string whole_tics(const std::string& axis, double first, double last) {
  const double step = last > first ? std::max(1.0, nice_step(last - first, 10)) : 1;
  const std::string set = "set " + axis + "tics ";
  const std::string tics = set + "0," + gnuplot_number(step) + "\n";
  return first == 1 && step > 1 ? tics + set + "add (\"1\" 1)\n" : tics;
}

std::string layer_axis(double layers, bool labelled) {
  std::string tics = whole_tics("x", 1, layers);
  if (!labelled) replace_all(tics, "\"1\"", "\"\"");
  return "unset logscale x\n" + range("x", 0.5, layers + 0.5) +
         (labelled ? "set format x '%g'\n" : "set format x ''\n") + tics;
}

}  // namespace replicate
