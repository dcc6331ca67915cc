#pragma once

// The answer in brief: a row per claim, for the console and the report's first screen, and what the chain comes to, for
// the report.

#include <optional>
#include <string>
#include <vector>

#include "harness/record/record.h"
#include "reports/document.h"

namespace replicate::report {

/// A claim in a few words. What it lacks is empty: there is no number where none was judged, and where no number made
/// the verdict, whose reason says what did.
struct BriefRow {
  const Record* record = nullptr;
  std::string metric;      ///< what decided the verdict; of a pass the first criterion
  std::string value;       ///< "0.594"; "–" where it is not finite
  std::string asked;       ///< "> 0.9"; of a control "± 0.16 (control)"
  std::string variations;  ///< "3/5": how many of those that can be told agree
};

/// The groups in which claims are shown, in order, and a claim's own.
const std::vector<std::string>& group_titles();
std::string group_of(const std::string& claim, ClaimKind kind);

/// The rows point into `records`; a group without a claim is left out.
struct BriefGroup {
  std::string title;
  std::vector<BriefRow> rows;
};
std::vector<BriefGroup> brief_groups(const std::vector<Record>& records);

BriefRow brief_row(const Record& record);

/// "0.594", or "–" for a number that is not finite.
std::string shown_value(const Metric& metric);

/// The standing of all judged claims; nothing where they differ, or one has none.
std::optional<Standing> common_standing(const std::vector<Record>& records);

/// "5 of the chain's 8 links hold; ...": links by the outcome of their own criterion, claims that intervene, and where
/// another stage decides otherwise. Of one claim what it came to; nothing of several without the chain.
Line answer(const std::vector<Record>& records);

}  // namespace replicate::report
