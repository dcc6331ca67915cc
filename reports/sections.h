#pragma once

// The parts of the report; content.cpp puts them in order.

#include "harness/record.h"
#include "reports/document.h"

namespace replicate {

std::string report_title(const std::vector<Record>& records);

/// One paragraph: model, inputs, machine, counts of verdicts. A warning when it is the null model.
Blocks summary(const std::vector<Record>& records);

/// The table that a hurried reader reads: claim, paper, measured, verdict.
Block verdict_section(const std::vector<Record>& records);

/// All about one claim. The anchor is its id.
Block claim_section(const Record& record);

/// Model, versions and machine; a fact that differs between records is shown with all its values.
Block provenance_section(const std::vector<Record>& records);

}  // namespace replicate
