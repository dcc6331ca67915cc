#include "reports/metric_tables.h"

#include <algorithm>

#include "reports/findings.h"
#include "reports/place_table.h"
#include "reports/text.h"

namespace replicate {
namespace {

constexpr Column::Role kNumber = Column::Role::number;
constexpr std::string_view kDistance = "_distance_to_paper";

std::vector<const Metric*> judged_metrics(const Record& record) {
  std::vector<const Metric*> metrics;
  for (const Metric& metric : record.measurement.metrics)
    if (sweep_point_of(record, metric) == nullptr) metrics.push_back(&metric);
  return metrics;
}

Line interval_line(const Metric& metric) {
  const std::string interval = format_metric(metric).interval;
  return {interval.empty() ? span::muted("–") : span::text(interval)};
}

std::vector<Line> row(const Metric& metric) {
  return {{span::code(metric.name)},
          {span::text(metric.inputs)},
          {span::text(format_metric(metric).value)},
          interval_line(metric),
          {span::text(metric.n > 0 ? std::to_string(metric.n) : "–")}};
}

Table plain_table(const Record& record, const std::vector<const Metric*>& metrics) {
  Table table{"Metrics of " + record.claim,
              {{"Metric"}, {"Inputs"}, {"Value", kNumber}, {"95% interval", kNumber}, {"n", kNumber}},
              {}};
  for (const Metric* metric : metrics)
    if (metric->where.empty()) table.rows.push_back(row(*metric));
  return table;
}

/// "+0.12 [0.08, 0.17]"
std::string signed_number(const Metric& metric) {
  const MetricText shown = format_metric(metric);
  return (metric.value > 0 ? "+" : "") + shown.value + (shown.interval.empty() ? "" : " " + shown.interval);
}

Line distance_line(const Metric& metric) {
  const std::string name = metric.name.substr(0, metric.name.size() - kDistance.size());
  std::vector<std::string> places;
  for (const std::string& place : {format_where(metric), metric.inputs})
    if (!place.empty()) places.push_back(place);
  return {span::code(name), span::text(" "), span::strong(signed_number(metric)),
          span::muted(places.empty() ? "" : " (" + join(places, ", ") + ")")};
}

}  // namespace

Blocks metric_fold(const Record& record) {
  const auto metrics = judged_metrics(record);
  if (metrics.empty()) return {};
  Blocks blocks;
  if (Table plain = plain_table(record, metrics); !plain.rows.empty()) blocks.push_back({std::move(plain)});
  for (Block& block : place_tables(record, metrics)) blocks.push_back(std::move(block));
  return {{Fold{"All metrics (" + std::to_string(metrics.size()) + ")", std::move(blocks)}}};
}

Blocks distance_to_paper(const Record& record) {
  Line line;
  for (const Metric* metric : judged_metrics(record)) {
    if (!metric->name.ends_with(kDistance)) continue;
    line.push_back(line.empty() ? span::strong("Measured minus the paper's number: ") : span::text("; "));
    append(line, distance_line(*metric));
  }
  if (line.empty()) return {};
  line.push_back(span::text("."));
  return {paragraph(std::move(line))};
}

}  // namespace replicate
