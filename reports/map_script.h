#pragma once

#include <string>
#include <vector>

#include "harness/record.h"

namespace replicate {

/// gnuplot data blocks $map1, $map2, ... of all maps.
std::string map_blocks(const std::vector<Map>& maps);

/// Draws one of them as a heat map into the cell whose margins and colour box are set: rows are queries from top to bottom, columns
/// keys. The colour scale is that of all maps together, logarithmic where they span more than a hundredfold.
std::string map_commands(const std::vector<Map>& maps, size_t index);

}  // namespace replicate
