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

Table points_table(const Record& record) {
  Table table{"Variations of " + record.claim, {{"What is changed"}, {"Verdict"}}, {}};
  for (const std::string& name : judged_metrics(record)) table.columns.push_back({name, Column::Role::number});
  table.rows.push_back(
      row(record, {span::strong("nothing: as judged")}, {span::verdict(to_string(record.verdict))}, ""));
  for (const SweepPoint& point : record.sweep)
    table.rows.push_back(row(record, {span::code(point.changes)}, verdict_line(point), "_" + point.suffix));
  return table;
}

Line explanation(const Record& record) {
  Line line = {
      span::text("Each is judged as the claim is, and decides nothing about its verdict. All "
                 "metrics of a variation are in record.json, under names that end in ")};
  for (size_t i = 0; i < record.sweep.size(); ++i) {
    const bool last = i + 1 == record.sweep.size();
    if (i > 0) line.push_back(span::text(last ? " or " : ", "));
    line.push_back(span::code("_" + record.sweep[i].suffix));
  }
  line.push_back(span::text("."));
  return line;
}

}  // namespace

Blocks sweep_blocks(const Record& record) {
  if (record.sweep.empty()) return {};
  return {{Subheading{"Variations: the claim " + sweep_note(record)}},
          {points_table(record)},
          paragraph(explanation(record), Paragraph::Role::note)};
}

}  // namespace replicate::report
