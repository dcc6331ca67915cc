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

/// The chain of links in one figure and two tables; nothing when too little of it was measured.
Blocks chain_section(const std::vector<Record>& records);

/// All about one claim. The anchor is its id.
Block claim_section(const Record& record);

/// Parts of a claim's section; each is empty where the record has nothing of its kind.
Blocks sweep_blocks(const Record& record);           ///< the claim judged with something changed
Blocks paper_distance_blocks(const Record& record);  ///< metrics "..._distance_to_paper"
Blocks metric_blocks(const Record& record);          ///< all metrics that are not a sweep's

/// Model, versions and machine; a fact that differs between records is shown with all its values.
Block provenance_section(const std::vector<Record>& records);

}  // namespace replicate
