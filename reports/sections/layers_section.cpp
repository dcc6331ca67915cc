#include <algorithm>
#include <cmath>

#include "reports/content.h"
#include "reports/findings.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

/// A series by layer is a list of numbers for layers 1 to L.
bool is_by_layer(const Series& series) {
  for (size_t i = 0; i < series.x.size(); ++i)
    if (series.x[i] != static_cast<double>(i + 1)) return false;
  return series.axis == "layer" && !series.x.empty();
}

std::string value_text(const Series& series, size_t i) {
  if (!std::isfinite(series.y[i])) return "–";
  Metric metric{series.name, series.y[i], std::nullopt, std::nullopt, 0, series.inputs, {}};
  if (!series.low.empty()) metric.low = series.low[i];
  if (!series.high.empty()) metric.high = series.high[i];
  const MetricText text = format_metric(metric);
  return text.interval.empty() ? text.value : text.value + " " + text.interval;
}

bool is_of_the_model(const Record& record) { return record.kind != ClaimKind::training; }

/// The first curve of each panel; of an intervention, the first alone: its others are variants.
void add_rows(const Record& record, LayerTable& table) {
  for (const Panel& panel : record.panels) {
    if (panel.curves.empty()) continue;
    const Series* series = find_series(record, panel.curves.front());
    if (series == nullptr || !is_by_layer(*series)) continue;
    LayerTable::Row row{{{span::link(record.claim, "#" + anchor_of(record.claim))},
                         {span::text(panel.title), span::line_break(), span::muted(panel.curves.front().label)}},
                        {}};
    for (size_t i = 0; i < series->y.size(); ++i) row.values.push_back(value_text(*series, i));
    table.layers = std::max(table.layers, row.values.size());
    table.rows.push_back(std::move(row));
    if (record.kind == ClaimKind::intervention) return;
  }
}

/// The onset, or the layer in the middle where there is none.
size_t first_layer_shown(const std::vector<Record>& records, size_t layers) {
  for (const Record& record : records) {
    if (!is_of_the_model(record)) continue;
    const Metric* onset = find_metric(record, "onset_layer");
    if (onset != nullptr && onset->value >= 1 && onset->value <= static_cast<double>(layers))
      return static_cast<size_t>(onset->value);
  }
  return (layers + 1) / 2;
}

}  // namespace

Blocks layers_section(const std::vector<Record>& records) {
  LayerTable table{"Values by layer", {{"Claim"}, {"Curve"}}, 0, 0, {}};
  for (const Record& record : records)
    if (is_of_the_model(record)) add_rows(record, table);
  if (table.rows.empty()) return {};
  table.shown = first_layer_shown(records, table.layers);
  return {{Section{
      "layers",
      {span::text("Layer by layer")},
      {paragraph({span::text("What the plots show by layer, with its 95% interval, in one layer of the model.")}),
       {table}}}}};
}

}  // namespace replicate::report
