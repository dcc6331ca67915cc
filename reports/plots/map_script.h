#pragma once

// Matrices as heat maps, two in a row: before and after side by side.

#include <string>
#include <vector>

#include "harness/record/record.h"
#include "reports/plots/sheet.h"

namespace replicate::report {

/// True when some map has a number to show.
bool has_maps(const Record& record);

/// Keys beside queries, and no query sees a key after it: attention probabilities.
bool is_attention(const Map& map);

/// The colours of one map, which it shares with all that show the same quantity.
struct ColourScale {
  double low = 0, high = 1;
  bool logarithmic = false;  ///< values span more than a hundredfold
  bool cut = false;          ///< values below `low` have its colour
};
ColourScale colour_scale(const std::vector<Map>& maps, size_t index);

Sheet map_sheet(const Record& record);

}  // namespace replicate::report
