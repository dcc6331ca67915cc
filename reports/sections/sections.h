#pragma once

// The parts of the report; content.cpp puts them in order.

#include "harness/record/record.h"
#include "reports/document.h"

namespace replicate::report {

std::string report_title(const std::vector<Record>& records);

/// The first screen: model, profile and day, the answer in a sentence, counts, the chain, a row per claim. A warning
/// when numbers are not to be quoted, and when the model is the null model.
Blocks answer_blocks(const std::vector<Record>& records);

/// Claim, paper, measured, verdict in words.
Block verdict_section(const std::vector<Record>& records);

/// The chain of links in one figure and two tables; nothing when too little of it was measured.
Blocks chain_section(const std::vector<Record>& records);

/// What was fixed before, how often the tests err, and p values; nothing where nothing is judged.
Blocks evidence_section(const std::vector<Record>& records);

/// Whether what is only for the record lies in a fold, which is not printed.
enum class Detail { folded, open };

/// All about one claim. The anchor is its id.
Block claim_section(const Record& record, Detail detail);

/// Values of one layer at a time; nothing without a series by layer.
Blocks layers_section(const std::vector<Record>& records);

/// Claims that are judged and do not pass, with what decided it and what that may mean; nothing where all pass.
Blocks shortfall_section(const std::vector<Record>& records);

/// Where measurements differ from the paper's; nothing where no record says so.
Blocks deviations_section(const std::vector<Record>& records);

Block cost_section(const std::vector<Record>& records);
Block cite_section(const std::vector<Record>& records);  ///< BibTeX

/// Parts of a claim's section; each is empty where the record has nothing of its kind.
Blocks sweep_blocks(const Record& record);           ///< the claim judged with something changed
Blocks paper_distance_blocks(const Record& record);  ///< metrics "..._distance_to_paper"
Blocks metric_blocks(const Record& record);          ///< all metrics that are not a sweep's

/// Model, versions and machine; a fact that differs between records is shown with all its values.
Block provenance_section(const std::vector<Record>& records);

}  // namespace replicate::report
