#include <algorithm>

#include "reports/findings.h"
#include "reports/sections/cells.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

/// Each once, in the order of the criteria.
std::vector<std::string> judged_metrics(const Record& record) {
  std::vector<std::string> names;
  for (const Finding& criterion : record.criteria)
    if (std::find(names.begin(), names.end(), criterion.metric) == names.end()) names.push_back(criterion.metric);
  return names;
}

/// `suffix`: "" for the judged row, else "_" and the point's.
std::vector<Line> row(const Record& record, const Line& changes, const Line& verdict, const std::string& suffix) {
  std::vector<Line> cells = {changes, verdict};
  for (const std::string& name : judged_metrics(record))
    cells.push_back(value_and_interval(find_metric(record, name + suffix)));
  return cells;
}

/// A number says why a point failed; for the other verdicts only its reason does.
Line verdict_line(const SweepPoint& point) {
  Line line = {span::verdict(to_string(point.verdict))};
  const bool numbers_say = point.verdict == Verdict::pass || point.verdict == Verdict::fail;
  if (!numbers_say && !point.reason.empty()) append(line, {span::line_break(), span::muted(point.reason)});
  return line;
}

Line agreement_line(const Variation& variation) {
  if (variation.agrees) return {span::text(*variation.agrees ? "agrees" : "does not agree")};
  return {span::muted(variation.reason.empty() ? "cannot be told" : variation.reason)};
}

Table points_table(const Record& record) {
  Table table{"Variations of " + record.claim, {{"What is changed"}, {"Verdict"}}, {}};
  for (const std::string& name : judged_metrics(record)) table.columns.push_back({name, Column::Role::number});
  table.rows.push_back(
      row(record, {span::strong("nothing: as judged")}, {span::verdict(to_string(record.verdict))}, ""));
  for (const SweepPoint& point : record.sweep)
    table.rows.push_back(row(record, {span::code(point.changes)}, verdict_line(point), "_" + point.suffix));
  for (const Variation& one : record.variations)
    table.rows.push_back(row(record, {span::code(one.changes)}, agreement_line(one), "_" + one.suffix));
  return table;
}

std::vector<std::string> suffixes(const Record& record) {
  std::vector<std::string> all;
  for (const SweepPoint& point : record.sweep) all.push_back(point.suffix);
  for (const Variation& one : record.variations) all.push_back(one.suffix);
  return all;
}

Line explanation(const Record& record) {
  const auto all = suffixes(record);
  Line line = {
      span::text(!record.sweep.empty() ? "Each was judged as the claim was, and decided nothing about its verdict. "
                                       : "A variation agrees when all its point estimates lie on the verdict's "
                                         "side; it decides nothing about the verdict. "),
      span::text("All metrics of a variation are in record.json, under names that end in ")};
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0) line.push_back(span::text(i + 1 == all.size() ? " or " : ", "));
    line.push_back(span::code("_" + all[i]));
  }
  line.push_back(span::text("."));
  return line;
}

}  // namespace

Blocks sweep_blocks(const Record& record) {
  if (record.sweep.empty() && record.variations.empty()) return {};
  const auto note = variation_note(record);
  return {{Subheading{!record.sweep.empty() ? "Variations: the claim " + note
                                            : "Variations" + (note.empty() ? "" : ": " + note)}},
          {points_table(record)},
          paragraph(explanation(record), Paragraph::Role::note)};
}

}  // namespace replicate::report
