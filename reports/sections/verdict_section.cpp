#include <algorithm>

#include "reports/content.h"
#include "reports/findings.h"
#include "reports/sections/cells.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

using Role = Paragraph::Role;

Line verdict_line(const Record& record) {
  Line line = {span::verdict(to_string(record.verdict))};
  const std::string known = known_note(record), bearing = bearing_note(record), variations = variation_note(record);
  if (!known.empty()) append(line, {span::line_break(), departs(record) ? span::strong(known) : span::muted(known)});
  if (!bearing.empty()) append(line, {span::line_break(), span::muted(bearing)});
  if (!variations.empty()) append(line, {span::line_break(), span::muted(variations)});
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
  Line line;
  if (!paper.figures.empty()) line.push_back(span::muted(figures_text(paper)));
  if (!line.empty() && !paper.expected.empty()) line.push_back(span::line_break());
  if (!paper.expected.empty()) line.push_back(span::text(paper.expected));
  return line;
}

Line claim_line(const Record& record) {
  return {span::link(record.claim, "#" + anchor_of(record.claim)), span::text(dagger_after_title(record)),
          span::line_break(), span::text(title_of(record))};
}

bool any_dagger(const std::vector<Record>& records) { return std::any_of(records.begin(), records.end(), has_dagger); }

}  // namespace

Block verdict_section(const std::vector<Record>& records) {
  Table table{"Verdicts", {{"Claim"}, {"The paper shows"}, {"Measured here"}, {"Verdict"}}, {}};
  for (const Record& record : records)
    table.rows.push_back({claim_line(record), paper_line(record.paper), measured_line(record), verdict_line(record)});
  Line legend = {span::text("Brackets hold 95% intervals, parentheses what the claim has to reach. "),
                 span::text("“As recorded”: this verdict is listed for the model, with its reason; it is a result, not "
                            "a defect of the run.")};
  if (any_dagger(records))
    legend.push_back(
        span::text(" †: part of the claim holds by arithmetic, in any weights; its notes say which part."));
  constexpr size_t kFew =
      3;  // claims; of more, the first screen and the claims' own sections say what a reader wants first
  Fold words{"What the paper shows, what was measured, and the verdict", {{table}, paragraph(legend, Role::note)}};
  words.open = records.size() <= kFew;
  return {Section{"verdicts", {span::text("Every claim in words")}, {{words}}}};
}

}  // namespace replicate::report
