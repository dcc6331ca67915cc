#pragma once

#include "harness/record/record.h"
#include "reports/document.h"

namespace replicate::report {

/// What the report says, in order: the answer; the chain, what fell short, verdicts in words, how sure; one section per
/// claim; values by layer, deviations, cost, provenance, citation, definitions.
Document report_content(const std::vector<Record>& records);

/// One claim's section as a page of its own, to lie in the claim's folder.
Document claim_content(const Record& record);

/// Terms that the report uses without explaining them where they stand.
Definitions glossary();

/// Drawings' names, without ".svg".
inline constexpr const char* kPlot = "plot";    ///< in a claim's folder
inline constexpr const char* kMaps = "maps";    ///< in a claim's folder
inline constexpr const char* kChain = "chain";  ///< in the run's folder, and the section's anchor

/// The anchor of a claim's section: its id, with whatever a URL fragment cannot hold replaced.
std::string anchor_of(const std::string& claim);

}  // namespace replicate::report
