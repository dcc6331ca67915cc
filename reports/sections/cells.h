#pragma once

// What stands in a table's cell wherever a metric is shown.

#include "harness/record/record.h"
#include "reports/document.h"
#include "reports/findings.h"

namespace replicate::report {

/// Each takes null for what was not measured.
Line value_line(const Metric* metric);
Line interval_line(const Metric* metric);

/// The value with its interval below it.
Line value_and_interval(const Metric* metric);

/// "not judged" for an empty outcome.
Line outcome_line(const std::string& outcome);

/// Name, number, interval and what the criterion asks for.
Line headline_line(const Headline& headline);

}  // namespace replicate::report
