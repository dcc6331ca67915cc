#include "reports/plots/axes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "reports/plots/sheet.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr int kUsualLogTicks = 6;
constexpr double kLarge = 1e5;                  // from here on digits are hard to count
constexpr double kNear = 1e-300, kFar = 1e300;  // beyond them margins and steps would be 0 or infinite

/// Far enough apart for the digits that gnuplot is given: it draws nothing on an empty range.
Ends linear_ends(double low, double high) {
  low = std::clamp(low, -kFar, kFar);
  high = std::clamp(high, -kFar, kFar);
  const double room = std::max(1e-8 * std::max(std::abs(low), std::abs(high)), kNear);
  return high - low > room ? Ends{low, high} : Ends{low - room, high + room};
}

Ends log_ends(double low, double high) {
  low = std::clamp(low, kNear, kFar / 2);
  return {low, std::clamp(high, 1.2 * low, kFar)};
}

std::string range(const char* axis, const Ends& ends) {
  return std::string("set ") + axis + "range [" + gnuplot_number(ends.low) + ":" + gnuplot_number(ends.high) + "]\n";
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
std::vector<double> steps_of_1_2_5(const Ends& ends) {
  std::vector<double> steps;
  for (double power = std::pow(10, std::floor(std::log10(ends.low))); power <= ends.high; power *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if (factor * power >= ends.low && factor * power <= ends.high) steps.push_back(factor * power);
  return steps;
}

/// Counted, as far from zero a step may be too small to get ahead.
std::vector<double> even_steps(double low, double high, int ticks) {
  const double step = nice_step(high - low, ticks), first = std::ceil(low / step);
  std::vector<double> steps;
  for (int i = 0; i <= ticks && (first + i) * step <= high; ++i) steps.push_back((first + i) * step);
  return steps;
}

std::string listed_tics(const char* axis, const std::vector<double>& places) {
  std::vector<std::string> tics;
  for (const double place : places) tics.push_back(gnuplot_number(place));
  return std::string("set ") + axis + "tics (" + join(tics, ",") + ")\n";
}

/// Powers of ten, `step` decades apart.
std::vector<double> powers(const Ends& ends, int step) {
  std::vector<double> places;
  for (int decade = step * static_cast<int>(std::ceil(std::log10(ends.low) / step)); std::pow(10, decade) <= ends.high;
       decade += step)
    places.push_back(std::pow(10, decade));
  return places;
}

/// Unlabelled tics at 1 to 9 times each power of ten, as gnuplot sets them between its own labels.
std::string minor_log_tics(const Ends& ends) {
  std::string tics;
  for (double power = std::pow(10, std::floor(std::log10(ends.low))); power <= ends.high; power *= 10)
    for (int factor = 1; factor < 10; ++factor)
      if (factor * power >= ends.low && factor * power <= ends.high)
        tics += (tics.empty() ? "\"\" " : ",\"\" ") + gnuplot_number(factor * power) + " 1";
  return "set ytics add (" + tics + ")\n";
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
  const Ends ends = x_ends(data, true);
  const bool short_axis = !doubling && ends.high / ends.low < 30;
  return std::string("set logscale x ") + (doubling ? "2" : "10") + "\n" +
         (short_axis ? listed_tics("x", steps_of_1_2_5(ends)) : "set xtics autofreq\n") + range("x", ends);
}

std::string linear_x_axis(const PanelData& data) {
  const std::string axis = range("x", x_ends(data, false));
  if (data.x_max >= kLarge) return axis + large_tics(even_steps(data.x_min, data.x_max, 5));
  return axis +
         (data.integer_x && data.x_min > -kLarge ? whole_tics("x", data.x_min, data.x_max) : "set xtics autofreq\n");
}

/// From zero where that costs little: heights can then be compared by eye.
std::string linear_y_axis(const PanelData& data, int ticks) {
  const double span = data.y_max - data.y_min;
  const double margin = span > 0 ? 0.05 * span : std::max(0.05 * std::abs(data.y_max), 0.05);
  const bool from_zero = data.y_min >= 0 && data.y_min <= 0.5 * data.y_max;
  const Ends ends = linear_ends(from_zero ? 0 : data.y_min - margin, data.y_max + margin);
  const std::string step = ticks > 0 ? gnuplot_number(nice_step(ends.high - ends.low, ticks)) : "autofreq";
  return range("y", ends) + "set ytics " + step + "\n";
}

std::string log_y_axis(const PanelData& data, int ticks) {
  const Ends ends = log_ends(data.y_min / 1.3, data.y_max * 1.3);
  const double decades = std::log10(ends.high) - std::log10(ends.low);
  const std::string axis = "set logscale y 10\nset mytics 10\n" + range("y", ends);
  if (decades < 0.7) return axis + listed_tics("y", even_steps(ends.low, ends.high, 3));
  if (decades < 1.5) return axis + listed_tics("y", steps_of_1_2_5(ends));
  const int step = std::max(1, static_cast<int>(std::ceil(decades / ticks)));
  const std::vector<double> labelled = powers(ends, step);
  if (labelled.size() < 3)  // gnuplot 6 would add the step instead of multiplying by it, and draw hundreds of tics
    return axis + listed_tics("y", labelled) + (step == 1 ? minor_log_tics(ends) : "");
  return axis + "set ytics " + gnuplot_number(std::pow(10, step)) + "\n" + (step > 1 ? "set mytics 1\n" : "");
}

}  // namespace

Ends x_ends(const PanelData& data, bool logarithmic) {
  if (logarithmic) return log_ends(data.x_min / 1.15, data.x_max * 1.15);
  const double span = data.x_max - data.x_min;
  const double margin = span > 0 ? std::max(0.02 * span, data.integer_x ? 0.5 : 0.0) : 1;
  return linear_ends(data.x_min - margin, data.x_max + margin);
}

Ends layer_ends(double layers) { return linear_ends(0.5, layers + 0.5); }

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
  const double start = first == 1 ? step : 0;  // a label at 0 would touch the one at 1
  const std::string tics = set + gnuplot_number(start) + "," + gnuplot_number(step) + "\n";
  return first == 1 && step > 1 ? tics + set + "add (\"1\" 1)\n" : tics;
}

std::string layer_axis(double layers, bool labelled) {
  std::string tics = whole_tics("x", 1, layers);
  if (!labelled) replace_all(tics, "\"1\"", "\"\"");
  return "unset logscale x\n" + range("x", layer_ends(layers)) +
         (labelled ? "set format x '%g'\n" : "set format x ''\n") + tics;
}

}  // namespace replicate::report
