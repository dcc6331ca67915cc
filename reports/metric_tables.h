#pragma once

#include "harness/record.h"
#include "reports/document.h"

namespace replicate {

/// A fold with every metric of the judged measurement: those of the whole model one a row, those of single layers,
/// neurons or heads in one table for each kind of place. Nothing for a record without metrics.
Blocks metric_fold(const Record& record);

/// By how much measured numbers differ from the paper's: a paragraph for the metrics called <name>_distance_to_paper.
Blocks distance_to_paper(const Record& record);

}  // namespace replicate
