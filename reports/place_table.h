#pragma once

#include <vector>

#include "harness/record.h"
#include "reports/document.h"

namespace replicate {

/// Metrics of single places, such as {layer, neuron}: metrics that were measured at the same places share a table, with
/// a row a place and inputs, the metrics as columns. Long tables are cut, with a line that says so, wide ones split.
/// Metrics without a place are passed over.
Blocks place_tables(const Record& record, const std::vector<const Metric*>& metrics);

}  // namespace replicate
