#include <algorithm>

#include "reports/content.h"
#include "reports/findings.h"
#include "reports/sections.h"
#include "reports/sweep_tables.h"
#include "reports/text.h"

namespace replicate {
namespace {

using Role = Paragraph::Role;

Line verdict_line(const Record& record) {
  Line line = {span::verdict(to_string(record.verdict))};
  if (const std::string note = known_note(record); !note.empty())
    append(line, {span::line_break(), departs(record) ? span::strong(note) : span::muted(note)});
  if (const std::string hint = sweep_hint(record); !hint.empty())
    append(line, {span::line_break(), span::muted(hint)});
  return line;
}

constexpr const char* kNoBreak = "\u00A0";

/// "(≥ 0.2)": what the criterion asks for, never broken across lines.
std::string wanted(const Criterion& criterion) {
  return std::string("(") + op_sign(criterion.op) + kNoBreak + format_number(criterion.threshold) +
         ")";
}

Line headline_line(const Headline& headline) {
  const MetricText shown = format_metric(*headline.metric);
  Line line = {span::code(headline.metric->name), span::line_break(), span::strong(shown.value)};
  if (!shown.interval.empty()) line.push_back(span::text(" " + shown.interval));
  if (headline.criterion == nullptr) return line;
  append(line, {span::text(" "), span::muted(wanted(*headline.criterion))});
  return line;
}

Line measured_line(const Record& record) {
  Line line;
  for (const Headline& headline : headlines(record)) {
    if (!line.empty()) line.push_back(span::line_break());
    append(line, headline_line(headline));
  }
  return line.empty() ? Line{span::muted(record.reason)} : line;
}

Line paper_line(const PaperReference& paper) {
  const std::string figures = figures_text(paper);
  Line line = {span::muted(figures.empty() ? "beyond the paper" : figures)};
  if (!paper.expected.empty()) append(line, {span::line_break(), span::text(paper.expected)});
  return line;
}

Line claim_line(const Record& record) {
  return {span::link(record.claim, "#" + anchor_of(record.claim)),
          span::text(dagger_of(record)), span::line_break(),
          span::text(title_of(record))};
}

bool any_dagger(const std::vector<Record>& records) {
  return std::any_of(records.begin(), records.end(), has_dagger);
}

bool any_sweep(const std::vector<Record>& records) {
  return std::any_of(records.begin(), records.end(),
                     [](const Record& record) { return !record.sweep.empty(); });
}

}  // namespace

Block verdict_section(const std::vector<Record>& records) {
  Table table{"Verdicts", {{"Claim"}, {"The paper"}, {"Measured here"}, {"Verdict"}}, {}};
  for (const Record& record : records)
    table.rows.push_back({claim_line(record), paper_line(record.paper), measured_line(record),
                          verdict_line(record)});
  Line legend = {
      span::text("Brackets hold 95% intervals, parentheses what the claim has to reach. "),
      span::text("“Known” verdicts are listed for this model in its configuration: they "
                 "are results, not defects of the run.")};
  if (any_sweep(records))
    legend.push_back(
        span::text(" Variations: the same measurement with something changed, such as the text's "
                   "length; see the claim's section."));
  if (any_dagger(records))
    legend.push_back(
        span::text(" †: part of this claim holds by arithmetic alone; see its notes."));
  return {Section{"verdicts", {span::text("Verdicts")}, {{table}, paragraph(legend, Role::note)}}};
}

}  // namespace replicate
