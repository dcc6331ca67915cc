#include "reports/map_script.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace replicate {
namespace {

constexpr double kLogSpan = 100;     // a wider span gets a logarithmic scale ...
constexpr double kMostDecades = 1e4;  // ... down to this fraction of the largest value

// Viridis: even steps in brightness, readable without colour.
constexpr const char* kPalette =
    "set palette defined (0 '#440154', 1 '#482878', 2 '#3E4989', 3 '#31688E', 4 '#26828E', 5 '#1F9E89', "
    "6 '#35B779', 7 '#6DCD59', 8 '#B4DE2C', 9 '#FDE725')\n";

std::string number(double value) {
  std::ostringstream out;
  out.precision(6);
  out << value;
  return out.str();
}

struct Scale {
  double low = INFINITY, high = -INFINITY;
  bool logarithmic = false;
};

/// Of all values above 0 (keys ahead of their query have none).
Scale scale_of(const std::vector<Map>& maps) {
  Scale scale;
  for (const Map& map : maps)
    for (const auto& row : map.values)
      for (const double value : row) {
        if (!(value > 0) || !std::isfinite(value)) continue;
        scale.low = std::min(scale.low, value);
        scale.high = std::max(scale.high, value);
      }
  scale.logarithmic = scale.high / scale.low > kLogSpan;
  if (scale.logarithmic) scale.low = std::max(scale.low, scale.high / kMostDecades);
  return scale;
}

std::string block_name(size_t index) { return "$map" + std::to_string(index + 1); }

}  // namespace

std::string map_blocks(const std::vector<Map>& maps) {
  const Scale scale = scale_of(maps);
  std::string blocks;
  for (size_t i = 0; i < maps.size(); ++i) {
    blocks += block_name(i) + " << END\n";
    for (const auto& row : maps[i].values) {
      for (const double value : row)
        blocks += (value > 0 ? number(std::max(value, scale.low)) : "NaN") + " ";
      blocks += "\n";
    }
    blocks += "END\n";
  }
  return blocks;
}

std::string map_commands(const std::vector<Map>& maps, size_t index) {
  const Scale scale = scale_of(maps);
  const auto& values = maps[index].values;
  if (!(scale.high > 0) || values.empty()) return "plot NaN notitle\n";
  std::string commands = "unset logscale\nset xtics autofreq\nset ytics autofreq\n";
  commands += kPalette;
  commands += "unset grid\nset cblabel 'attention'\n";
  commands += scale.logarithmic ? "set logscale cb\n" : "";
  commands += "set cbrange [" + number(scale.low) + ":" + number(scale.high) + "]\n";
  commands += "set xrange [-0.5:" + number(static_cast<double>(values.front().size()) - 0.5) + "]\n";
  commands += "set yrange [" + number(static_cast<double>(values.size()) - 0.5) + ":-0.5]\n";
  commands += "set xlabel 'key position'\nset ylabel 'query position'\n";
  commands += "plot " + block_name(index) + " matrix with image pixels notitle\n";
  return commands + "unset logscale cb\nunset colorbox\nset ytics autofreq\n";
}

}  // namespace replicate
