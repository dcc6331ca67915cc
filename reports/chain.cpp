#include "reports/chain.h"

#include <algorithm>

#include "reports/findings.h"
#include "reports/paper.h"

namespace replicate::report {
namespace {

constexpr size_t kFewestPanels = 3;

/// The judged condition's series over the layers: the first of that name. Null where there is none.
const Series* layer_series(const Record& record, const std::string& name) {
  for (const Series& series : record.measurement.series)
    if (series.name == name && series.axis == "layer") return &series;
  return nullptr;
}

std::string numbered(size_t index, const std::string& title, const std::string& inputs) {
  return std::to_string(index + 1) + ". " + title + (inputs.empty() ? "" : " · " + inputs);
}

/// The link's panel; its series go along. None where nothing of it was measured.
std::optional<Panel> panel_of(const ChainLink& link, size_t index, const Record& record, ChainFigure& figure) {
  Panel panel{link.panel, "layer", "", false, link.log_y, {}, link.thresholds};
  for (const PanelCurve& wanted : link.curves) {
    const Series* series = layer_series(record, wanted.series);
    if (series == nullptr) continue;
    figure.series.measurement.series.push_back(*series);
    panel.curves.push_back({series->name, series->inputs, wanted.label});
    for (const double layer : series->x) figure.layers = std::max(figure.layers, layer);
  }
  if (panel.curves.empty()) return std::nullopt;
  panel.title = numbered(index, link.panel, panel.curves.front().inputs);
  return panel;
}

void add_sink_layers(const Record& onset, ChainFigure& figure) {
  const Series* excess = layer_series(onset, "excess_attention");
  if (excess == nullptr) return;
  for (size_t i = 0; i < excess->y.size(); ++i)
    if (excess->y[i] >= paper().sink_excess) figure.sink_layers.push_back(excess->x[i]);
}

/// Other inputs report their spikes under the same name; the judged ones come first.
void add_spikes(const Record& onset, ChainFigure& figure) {
  const Metric* first = find_metric(onset, "spike_layers");
  for (const Metric& metric : onset.measurement.metrics)
    if (first != nullptr && metric.name == first->name && metric.inputs == first->inputs)
      figure.spikes.push_back(metric.value);
  if (const Metric* dominant = find_metric(onset, "dominant_spike")) figure.dominant_spike = dominant->value;
}

}  // namespace

std::optional<ChainFigure> chain_figure(const std::vector<Record>& records) {
  ChainFigure figure;
  const auto& links = paper().links;
  for (size_t i = 0; i < links.size(); ++i) {
    const Record* record = find_record(records, links[i].claim);
    if (record == nullptr) continue;
    if (auto panel = panel_of(links[i], i, *record, figure)) figure.series.panels.push_back(std::move(*panel));
  }
  if (figure.series.panels.size() < kFewestPanels) return std::nullopt;
  if (const Record* onset = find_record(records, "sink_onset")) {
    add_sink_layers(*onset, figure);
    add_spikes(*onset, figure);
  }
  return figure;
}

const Record* find_record(const std::vector<Record>& records, const std::string& claim) {
  const auto found =
      std::find_if(records.begin(), records.end(), [&](const Record& record) { return record.claim == claim; });
  return found == records.end() ? nullptr : &*found;
}

}  // namespace replicate::report
