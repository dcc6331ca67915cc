#pragma once

#include "harness/record.h"
#include "reports/document.h"

namespace replicate {

/// What the report says, in order: summary, verdicts, one section a claim, provenance, definitions.
Document report_content(const std::vector<Record>& records);

/// Terms that the report uses without explaining them where they stand.
Definitions glossary();

/// The anchor of a claim's section: its id, with whatever a URL fragment cannot hold replaced.
std::string anchor_of(const std::string& claim);

}  // namespace replicate
