#pragma once

#include "harness/record.h"
#include "reports/document.h"

namespace replicate {

/// How the verdict depends on what was chosen: the claim as judged, then a row a sweep point. Nothing without a sweep.
Blocks sweep_section(const Record& record);

/// A fold with the other metrics of the sweep points, a column a point. Nothing without such metrics.
Blocks sweep_fold(const Record& record);

/// "holds at 5 of 6 variations": the points that end in the judged verdict; empty without a sweep.
std::string sweep_hint(const Record& record);

}  // namespace replicate
