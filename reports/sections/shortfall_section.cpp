#include "reports/brief.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

/// Descriptive claims judge nothing and fall short of nothing.
bool falls_short(const Record& record) { return record.verdict != Verdict::pass && !record.criteria.empty(); }

/// "m = 0.3 (> 0.5)", or the reason where no number decided.
Line decided_by(const Record& record) {
  const BriefRow row = brief_row(record);
  if (row.value.empty()) return {span::text(record.reason.empty() ? "" : " " + record.reason + ".")};
  return {span::text(" "), span::code(row.metric), span::text(" = " + row.value + " (" + row.asked + ").")};
}

/// The claim with its verdict, what decided it, and what that may mean.
Line entry(const Record& record) {
  Line line = {span::link(record.claim, "#" + anchor_of(record.claim)), span::text(" "),
               span::verdict(to_string(record.verdict))};
  append(line, decided_by(record));
  line.push_back(span::line_break());
  const bool says_something = record.verdict == Verdict::fail || record.verdict == Verdict::inconclusive;
  if (says_something && !record.otherwise.empty()) line.push_back(span::muted(record.otherwise));
  return line;
}

}  // namespace

Blocks shortfall_section(const std::vector<Record>& records) {
  Bullets bullets;
  for (const Record& record : records)
    if (falls_short(record)) bullets.items.push_back(entry(record));
  if (bullets.items.empty()) return {};
  return {{Section{"shortfalls",
                   {span::text("What did not replicate, and what it may mean")},
                   {paragraph({span::text("The number that decided, with what it must be, then what that may mean: "
                                          "readings to be tested, not findings "
                                          "of this run.")}),
                    {bullets}},
                   "What did not replicate"}}};
}

Blocks deviations_section(const std::vector<Record>& records) {
  Definitions differences;
  for (const Record& record : records)
    if (!record.deviations.empty())
      differences.entries.emplace_back(record.claim, Line{span::text(join(record.deviations, " "))});
  if (differences.entries.empty()) return {};
  return {{Section{"deviations",
                   {span::text("Where this differs from the paper")},
                   {paragraph({span::text(
                        "The authors published no code; what is measured follows the paper's text and captions. Claims "
                        "on these points differ from it:")}),
                    {differences}},
                   "Deviations"}}};
}

}  // namespace replicate::report
