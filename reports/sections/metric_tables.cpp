#include <algorithm>

#include "reports/findings.h"
#include "reports/sections/cells.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr size_t kMostRows = 12;
constexpr size_t kMostColumns = 5;  // of metrics: with their intervals more do not fit a page

using Where = std::map<std::string, int64_t>;
using Metrics = std::vector<const Metric*>;

// ---- one number a metric ----------------------------------------------------------------------------

Table plain_table(const Record& record, const Metrics& metrics) {
  constexpr Column::Role kNumber = Column::Role::number;
  Table table{"All metrics of " + record.claim,
              {{"Metric"}, {"Where"}, {"Inputs"}, {"Value", kNumber}, {"95% interval", kNumber}, {"n", kNumber}},
              {}};
  for (const Metric* metric : metrics)
    table.rows.push_back({{span::code(metric->name)},
                          {span::text(format_where(*metric))},
                          {span::text(metric->inputs)},
                          {span::text(format_metric(*metric).value)},
                          interval_line(metric),
                          {span::text(metric->n > 0 ? std::to_string(metric->n) : "–")}});
  return table;
}

// ---- metrics that exist at many places --------------------------------------------------------------

/// Metrics that exist at the same places, on the same inputs: a table without holes.
struct Group {
  std::string inputs;
  std::vector<Where> places;
  std::vector<std::string> names;
};

template <typename T>
bool holds(const std::vector<T>& items, const T& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

std::vector<Where> places_of(const Metrics& metrics, const Metric& like) {
  std::vector<Where> places;
  for (const Metric* metric : metrics)
    if (metric->name == like.name && metric->inputs == like.inputs && !holds(places, metric->where))
      places.push_back(metric->where);
  return places;
}

Group& group_for(std::vector<Group>& groups, const std::string& inputs, const std::vector<Where>& places) {
  for (Group& group : groups)
    if (group.inputs == inputs && group.places == places) return group;
  return groups.emplace_back(Group{inputs, places, {}});
}

std::vector<Group> groups_of(const Metrics& metrics) {
  std::vector<Group> groups;
  for (const Metric* metric : metrics) {
    const auto places = places_of(metrics, *metric);
    if (places.size() < 2) continue;
    Group& group = group_for(groups, metric->inputs, places);
    if (!holds(group.names, metric->name)) group.names.push_back(metric->name);
  }
  return groups;
}

bool is_in(const std::vector<Group>& groups, const Metric& metric) {
  return std::any_of(groups.begin(), groups.end(), [&](const Group& group) {
    return group.inputs == metric.inputs && holds(group.names, metric.name) && holds(group.places, metric.where);
  });
}

const Metric* metric_at(const Metrics& metrics, const Group& group, const std::string& name, const Where& place) {
  for (const Metric* metric : metrics)
    if (metric->name == name && metric->where == place && metric->inputs == group.inputs) return metric;
  return nullptr;
}

/// "layer" ahead of "head" and "neuron", which lie within it.
std::vector<std::string> axes_of(const Group& group) {
  std::vector<std::string> axes;
  for (const auto& [axis, index] : group.places.front()) axes.push_back(axis);
  std::stable_partition(axes.begin(), axes.end(), [](const auto& axis) { return axis == "layer"; });
  return axes;
}

std::vector<Line> place_cells(const std::vector<std::string>& axes, const Where& place) {
  std::vector<Line> cells;
  for (const std::string& axis : axes) {
    const auto found = place.find(axis);
    cells.push_back({span::strong(found == place.end() ? "–" : std::to_string(found->second))});
  }
  return cells;
}

/// Columns `first` to `last` of the group, last one excluded.
Block part_of_table(const Metrics& metrics, const Group& group, size_t first, size_t last) {
  const auto axes = axes_of(group);
  Table table{"Metrics by " + enumerate(axes), {}, {}};
  for (const std::string& axis : axes) table.columns.push_back({axis, Column::Role::number});
  for (size_t i = first; i < last; ++i) table.columns.push_back({group.names[i], Column::Role::number});
  for (size_t place = 0; place < std::min(group.places.size(), kMostRows); ++place) {
    auto cells = place_cells(axes, group.places[place]);
    for (size_t i = first; i < last; ++i)
      cells.push_back(value_and_interval(metric_at(metrics, group, group.names[i], group.places[place])));
    table.rows.push_back(std::move(cells));
  }
  return {table};
}

/// As many tables as its columns need, all about equally wide.
Blocks tables_of(const Metrics& metrics, const Group& group) {
  Blocks blocks;
  const size_t names = group.names.size(), parts = (names + kMostColumns - 1) / kMostColumns;
  for (size_t part = 0; part < parts; ++part)
    blocks.push_back(part_of_table(metrics, group, part * names / parts, (part + 1) * names / parts));
  if (group.places.size() > kMostRows)
    blocks.push_back(
        paragraph({span::text("… and " + plural(group.places.size() - kMostRows, "more row") + " in record.json.")},
                  Paragraph::Role::note));
  return blocks;
}

std::string heading_of(const Group& group) {
  const size_t more = group.names.size() - 1;
  return "By " + enumerate(axes_of(group)) + ", " + group.inputs + ": " + group.names.front() +
         (more > 0 ? " and " + std::to_string(more) + " more" : "") + " (" + std::to_string(group.places.size()) +
         " rows)";
}

}  // namespace

Blocks metric_blocks(const Record& record) {
  Metrics metrics, plain;
  for (const Metric& metric : record.measurement.metrics)
    if (!is_of_variation(record, metric)) metrics.push_back(&metric);
  const std::vector<Group> groups = groups_of(metrics);
  for (const Metric* metric : metrics)
    if (!is_in(groups, *metric)) plain.push_back(metric);
  Blocks blocks;
  for (const Group& group : groups)
    blocks.push_back({Fold{heading_of(group), tables_of(metrics, group), blocks.empty()}});
  if (!plain.empty())
    blocks.push_back(
        {Fold{"All other metrics (" + std::to_string(plain.size()) + ")", {{plain_table(record, plain)}}}});
  return blocks;
}

}  // namespace replicate::report
