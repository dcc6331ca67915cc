#include "reports/place_table.h"

#include <algorithm>
#include <map>

#include "reports/text.h"

namespace replicate {
namespace {

constexpr size_t kMostRows = 12;

/// What was measured at one place.
struct PlaceRow {
  const Metric* place = nullptr;  ///< any metric of the row: they share `where` and `inputs`
  std::map<std::string, const Metric*> cells;
};

/// All metrics whose `where` has the same keys.
struct PlaceGroup {
  std::vector<std::string> keys, names;  ///< names: the columns, in order of appearance
  std::vector<PlaceRow> rows;
};

std::vector<std::string> keys_of(const Metric& metric) {
  std::vector<std::string> keys;
  for (const auto& [key, index] : metric.where) keys.push_back(key);
  return keys;
}

/// The row of the metric's place that lacks it: what was measured twice gets a second row.
PlaceRow& row_for(const Metric& metric, PlaceGroup& group) {
  const auto found = std::find_if(group.rows.begin(), group.rows.end(), [&](const PlaceRow& row) {
    return row.place->where == metric.where && row.place->inputs == metric.inputs &&
           row.cells.count(metric.name) == 0;
  });
  if (found != group.rows.end()) return *found;
  return group.rows.emplace_back(PlaceRow{&metric, {}});
}

void add(const Metric& metric, PlaceGroup& group) {
  if (std::find(group.names.begin(), group.names.end(), metric.name) == group.names.end())
    group.names.push_back(metric.name);
  row_for(metric, group).cells[metric.name] = &metric;
}

std::vector<PlaceGroup> groups_of(const std::vector<const Metric*>& metrics) {
  std::vector<PlaceGroup> groups;
  for (const Metric* metric : metrics) {
    const auto keys = keys_of(*metric);
    if (keys.empty()) continue;
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const PlaceGroup& one) { return one.keys == keys; });
    if (group == groups.end()) group = groups.insert(groups.end(), {keys, {}, {}});
    add(*metric, *group);
  }
  return groups;
}

Line cell(const PlaceRow& row, const std::string& name) {
  const auto found = row.cells.find(name);
  if (found == row.cells.end()) return {span::muted("–")};
  const MetricText shown = format_metric(*found->second);
  Line line = {span::text(shown.value)};
  if (!shown.interval.empty()) append(line, {span::line_break(), span::muted(shown.interval)});
  return line;
}

std::vector<Line> table_row(const PlaceRow& row, const PlaceGroup& group) {
  std::vector<Line> cells;
  for (const auto& [key, index] : row.place->where) cells.push_back({span::text(std::to_string(index))});
  cells.push_back({span::text(row.place->inputs)});
  for (const std::string& name : group.names) cells.push_back(cell(row, name));
  return cells;
}

Table table_of(const std::string& claim, const PlaceGroup& group) {
  Table table{"Metrics of " + claim + " by " + enumerate(group.keys), {}, {}};
  for (const std::string& key : group.keys) table.columns.push_back({key});
  table.columns.push_back({"Inputs"});
  for (const std::string& name : group.names) table.columns.push_back({name, Column::Role::number});
  for (size_t i = 0; i < std::min(group.rows.size(), kMostRows); ++i)
    table.rows.push_back(table_row(group.rows[i], group));
  return table;
}

Block rest_line(const Record& record, size_t rows) {
  return paragraph({span::text("… " + std::to_string(rows) + " more in "),
                    span::link("record.json", record.claim + "/record.json")},
                   Paragraph::Role::note);
}

}  // namespace

Blocks place_tables(const Record& record, const std::vector<const Metric*>& metrics) {
  Blocks blocks;
  for (const PlaceGroup& group : groups_of(metrics)) {
    blocks.push_back({Subheading{"By " + enumerate(group.keys)}});
    blocks.push_back({table_of(record.claim, group)});
    if (group.rows.size() > kMostRows) blocks.push_back(rest_line(record, group.rows.size() - kMostRows));
  }
  return blocks;
}

}  // namespace replicate
