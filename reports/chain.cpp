#include "reports/chain.h"

#include <algorithm>

#include "reports/findings.h"
#include "reports/paper.h"

namespace replicate::report {
namespace {

constexpr size_t kFewestPanels = 3;
constexpr size_t kRunStyles = 7;  // that configs/figures.yaml has for runs

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
  Panel panel{"", "layer", "", false, link.log_y, {}, link.thresholds};
  for (const PanelCurve& wanted : link.curves) {
    const Series* series = layer_series(record, wanted.series);
    if (series == nullptr) continue;
    figure.series.measurement.series.push_back(*series);
    panel.curves.push_back({series->name, "", wanted.label});
    if (panel.title.empty()) panel.title = numbered(index, link.panel, series->inputs);
    for (const double layer : series->x) figure.layers = std::max(figure.layers, layer);
  }
  if (panel.curves.empty()) return std::nullopt;
  return panel;
}

/// The link's first curve, which is position 0's.
std::optional<Series> series_over_depth(const std::vector<Record>& records, const ChainLink& link) {
  const Record* record = find_record(records, link.panel_claim);
  const Series* found = record == nullptr ? nullptr : layer_series(*record, link.curves.front().series);
  if (found == nullptr || found->x.empty()) return std::nullopt;
  Series series = *found;
  const auto known = static_cast<double>(record->model.layers);
  const double layers = known > 0 ? known : std::ranges::max(series.x);
  for (double& x : series.x) x /= layers;
  return series;
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
    const Record* record = find_record(records, links[i].panel_claim);
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

std::optional<Record> compared_chain(const std::vector<ChainRun>& runs) {
  const auto has_chain = [](const ChainRun& run) { return chain_figure(*run.second).has_value(); };
  if (std::ranges::count_if(runs, has_chain) < 2) return std::nullopt;
  Record compared;
  const auto& links = paper().links;
  for (size_t i = 0; i < links.size(); ++i) {
    Panel panel{numbered(i, links[i].panel, ""), "layer / layers", "", false, links[i].log_y, {}, links[i].thresholds};
    for (size_t run = 0; run < runs.size(); ++run) {
      const auto& [name, records] = runs[run];
      auto series = series_over_depth(*records, links[i]);
      if (!series) continue;
      series->name = "run_" + std::to_string(run % kRunStyles + 1);
      series->inputs = std::to_string(i) + "." + std::to_string(run);  // no other series has both
      panel.curves.push_back({series->name, series->inputs, name});
      compared.measurement.series.push_back(std::move(*series));
    }
    if (!panel.curves.empty()) compared.panels.push_back(std::move(panel));
  }
  return compared;
}

const Record* find_record(const std::vector<Record>& records, const std::string& claim) {
  const auto found =
      std::find_if(records.begin(), records.end(), [&](const Record& record) { return record.claim == claim; });
  return found == records.end() ? nullptr : &*found;
}

}  // namespace replicate::report
