#include "reports/sweep_tables.h"

#include <algorithm>

#include "reports/findings.h"
#include "reports/text.h"

namespace replicate {
namespace {

constexpr Column::Role kNumber = Column::Role::number;

std::vector<std::string> judged_names(const Record& record) {
  std::vector<std::string> names;
  for (const Criterion& criterion : record.criteria)
    if (std::find(names.begin(), names.end(), criterion.metric) == names.end())
      names.push_back(criterion.metric);
  return names;
}

size_t agreeing_points(const Record& record) {
  return static_cast<size_t>(
      std::count_if(record.sweep.begin(), record.sweep.end(),
                    [&](const SweepPoint& point) { return point.verdict == record.verdict; }));
}

Line cell(const Metric* metric) {
  if (metric == nullptr) return {span::muted("–")};
  const MetricText shown = format_metric(*metric);
  Line line = {span::strong(shown.value)};
  if (!shown.interval.empty()) append(line, {span::line_break(), span::muted(shown.interval)});
  return line;
}

/// The judged metrics, under the names that they have at one point.
std::vector<Line> metric_cells(const Record& record, const std::string& ending) {
  std::vector<Line> cells;
  for (const std::string& name : judged_names(record)) cells.push_back(cell(find_metric(record, name + ending)));
  return cells;
}

std::vector<Line> row(const Record& record, Line what, Verdict verdict, const std::string& ending,
                      const std::string& why) {
  std::vector<Line> cells = {std::move(what), {span::verdict(to_string(verdict))}};
  for (Line& metric : metric_cells(record, ending)) cells.push_back(std::move(metric));
  cells.push_back({span::text(verdict == record.verdict ? "" : why)});
  return cells;
}

Table sweep_table(const Record& record) {
  Table table{"How " + record.claim + " depends on its settings", {{"Changed"}, {"Verdict"}}, {}};
  for (const std::string& name : judged_names(record)) table.columns.push_back({name, kNumber});
  table.columns.push_back({"Why another verdict"});
  table.rows.push_back(row(record, {span::text("nothing: as judged")}, record.verdict, "", ""));
  for (const SweepPoint& point : record.sweep)
    table.rows.push_back(row(record, {span::code(point.changes)}, point.verdict, "_" + point.suffix, point.reason));
  return table;
}

/// Where all agree there is no reason to tell.
void drop_last_column(Table& table) {
  table.columns.pop_back();
  for (auto& row : table.rows) row.pop_back();
}

/// "max_entropy" of "max_entropy_k5".
std::string base_name(const Metric& metric, const SweepPoint& point) {
  return metric.name.substr(0, metric.name.size() - point.suffix.size() - 1);
}

/// Names of whole-model metrics that some point measured, other than those that the section's table shows.
std::vector<std::string> other_names(const Record& record) {
  std::vector<std::string> names = judged_names(record);
  const size_t shown = names.size();
  for (const Metric& metric : record.measurement.metrics) {
    const SweepPoint* point = sweep_point_of(record, metric);
    if (point == nullptr || !metric.where.empty()) continue;
    const std::string name = base_name(metric, *point);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  names.erase(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown));
  return names;
}

std::vector<Line> comparison_row(const Record& record, const std::string& name) {
  std::vector<Line> cells = {{span::code(name)}, cell(find_metric(record, name))};
  for (const SweepPoint& point : record.sweep)
    cells.push_back(cell(find_metric(record, name + "_" + point.suffix)));
  return cells;
}

bool has_places(const Record& record) {
  const auto& metrics = record.measurement.metrics;
  return std::any_of(metrics.begin(), metrics.end(), [&](const Metric& metric) {
    return !metric.where.empty() && sweep_point_of(record, metric) != nullptr;
  });
}

Table comparison_table(const Record& record, const std::vector<std::string>& names) {
  Table table{"Other metrics of the variations of " + record.claim,
              {{"Metric"}, {"as judged", kNumber}},
              {}};
  for (const SweepPoint& point : record.sweep) table.columns.push_back({point.changes, kNumber});
  for (const std::string& name : names) table.rows.push_back(comparison_row(record, name));
  return table;
}

}  // namespace

std::string sweep_hint(const Record& record) {
  if (record.sweep.empty()) return "";
  return std::string(record.verdict == Verdict::pass ? "holds" : "the same") + " at " +
         std::to_string(agreeing_points(record)) + " of " + plural(record.sweep.size(), "variation");
}

Blocks sweep_section(const Record& record) {
  if (record.sweep.empty()) return {};
  Table table = sweep_table(record);
  if (agreeing_points(record) == record.sweep.size()) drop_last_column(table);
  const std::string words =
      "Measured again with something changed, on no more sequences than the profile grants a variation, and judged by "
      "the same thresholds: the verdict is the same at " +
      std::to_string(agreeing_points(record)) + " of " + plural(record.sweep.size(), "variation") + ".";
  return {{Subheading{"How it depends on its settings"}}, paragraph({span::text(words)}), {std::move(table)}};
}

Blocks sweep_fold(const Record& record) {
  const auto names = other_names(record);
  if (names.empty()) return {};
  Blocks blocks = {{comparison_table(record, names)}};
  if (has_places(record))
    blocks.push_back(paragraph({span::text("Metrics of single places at each variation are in "),
                                span::link("record.json", record.claim + "/record.json"), span::text(".")},
                               Paragraph::Role::note));
  return {{Fold{"Other metrics of the variations (" + std::to_string(names.size()) + ")", std::move(blocks)}}};
}

}  // namespace replicate
