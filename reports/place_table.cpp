#include "reports/place_table.h"

#include <algorithm>

#include "reports/text.h"

namespace replicate {
namespace {

constexpr size_t kMostRows = 12, kMostColumns = 6;

/// All values of one metric, place by place.
struct Measured {
  std::string name;
  std::vector<const Metric*> values;
};

bool same_place(const Metric* a, const Metric* b) { return a->where == b->where && a->inputs == b->inputs; }

bool same_places(const Measured& a, const Measured& b) {
  return std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(), same_place);
}

/// Columns of one table: metrics of the same places.
using Columns = std::vector<Measured>;

std::vector<std::string> keys_of(const Metric& metric) {
  std::vector<std::string> keys;
  for (const auto& [key, index] : metric.where) keys.push_back(key);
  return keys;
}

/// Every metric with a place, by its name and the keys of its place.
std::vector<Measured> by_name(const std::vector<const Metric*>& metrics) {
  std::vector<Measured> result;
  for (const Metric* metric : metrics) {
    if (metric->where.empty()) continue;
    auto found = std::find_if(result.begin(), result.end(), [&](const Measured& one) {
      return one.name == metric->name && keys_of(*one.values.front()) == keys_of(*metric);
    });
    if (found == result.end()) found = result.insert(result.end(), {metric->name, {}});
    found->values.push_back(metric);
  }
  return result;
}

std::vector<Columns> tables_of(const std::vector<const Metric*>& metrics) {
  std::vector<Columns> tables;
  for (Measured& measured : by_name(metrics)) {
    auto found = std::find_if(tables.begin(), tables.end(), [&](const Columns& columns) {
      return columns.size() < kMostColumns && same_places(columns.front(), measured);
    });
    if (found == tables.end()) found = tables.insert(tables.end(), Columns{});
    found->push_back(std::move(measured));
  }
  return tables;
}

Line cell(const Metric& metric) {
  const MetricText shown = format_metric(metric);
  Line line = {span::text(shown.value)};
  if (!shown.interval.empty()) append(line, {span::line_break(), span::muted(shown.interval)});
  return line;
}

std::vector<Line> row(const Columns& columns, size_t index) {
  const Metric& place = *columns.front().values[index];
  std::vector<Line> cells;
  for (const auto& [key, number] : place.where) cells.push_back({span::text(std::to_string(number))});
  cells.push_back({span::text(place.inputs)});
  for (const Measured& column : columns) cells.push_back(cell(*column.values[index]));
  return cells;
}

Table table_of(const std::string& claim, const Columns& columns) {
  const auto& places = columns.front().values;
  Table table{"Metrics of " + claim + " by " + enumerate(keys_of(*places.front())), {}, {}};
  for (const std::string& key : keys_of(*places.front())) table.columns.push_back({key});
  table.columns.push_back({"Inputs"});
  for (const Measured& column : columns) table.columns.push_back({column.name, Column::Role::number});
  for (size_t i = 0; i < std::min(places.size(), kMostRows); ++i) table.rows.push_back(row(columns, i));
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
  std::vector<std::string> keys;
  for (const Columns& columns : tables_of(metrics)) {
    const auto& places = columns.front().values;
    if (keys_of(*places.front()) != keys) {
      keys = keys_of(*places.front());
      blocks.push_back({Subheading{"By " + enumerate(keys)}});
    }
    blocks.push_back({table_of(record.claim, columns)});
    if (places.size() > kMostRows) blocks.push_back(rest_line(record, places.size() - kMostRows));
  }
  return blocks;
}

}  // namespace replicate
