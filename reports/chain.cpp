#include "reports/chain.h"

#include <algorithm>

#include "harness/record/survey.h"
#include "reports/findings.h"

namespace replicate {
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
  Panel panel{link.title, "layer", "", false, link.log_y, {}, link.thresholds};
  for (const PanelCurve& wanted : link.curves) {
    const Series* series = layer_series(record, wanted.series);
    if (series == nullptr) continue;
    figure.series.measurement.series.push_back(*series);
    panel.curves.push_back({series->name, series->inputs, wanted.label});
    for (const double layer : series->x) figure.layers = std::max(figure.layers, layer);
  }
  if (panel.curves.empty()) return std::nullopt;
  panel.title = numbered(index, link.title, panel.curves.front().inputs);
  return panel;
}

void add_sink_layers(const Record& onset, ChainFigure& figure) {
  const Series* excess = layer_series(onset, "excess_attention");
  if (excess == nullptr) return;
  for (size_t i = 0; i < excess->y.size(); ++i)
    if (excess->y[i] >= kSinkExcess) figure.sink_layers.push_back(excess->x[i]);
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

const std::vector<ChainLink>& chain_links() {
  static const std::vector<ChainLink> kLinks = {
      {"variance_discrepancy",
       "variance_ratio_first_to_rest",
       "Averaging values leaves position 0 the variance outlier",
       "Variance of the head outputs, position 0 / positions 1–31",
       true,
       {{"variance_ratio_first_to_rest", "", "before W_O"}},
       {{"no difference", 1}}},
      {"output_projection_alignment",
       "variance_ratio_after",
       "The output projection keeps it one",
       "The same after the output projection",
       true,
       {{"variance_ratio_after", "", "after W_O"}},
       {{"no difference", 1}}},
      {"super_neuron_alignment",
       "written_energy_share",
       "A few hidden neurons fire for position 0 alone and write the spike",
       "Largest contribution of one hidden neuron, |activation| × |W_down column|",
       true,
       {{"largest_contribution_first", "", "position 0"}, {"largest_contribution_rest", "", "largest elsewhere"}},
       {}},
      {"sink_onset",
       "onset_after_spike",
       "The residual vector of position 0 becomes very long, one layer ahead of the sink",
       "Norm at the layer's input, l2",
       true,
       {{"first_token_norm", "", "position 0"}, {"other_token_norm", "", "other positions, mean"}},
       {}},
      {"dimension_disparity",
       "dominance_over_rest",
       "A few dimensions dominate it",
       "Dominance at the layer's input, max |h| / mean |h|",
       true,
       {{"dominance_ratio", "", "position 0"}, {"dominance_ratio_rest", "", "other positions, mean"}},
       {}},
      {"dimension_disparity",
       "top4_energy",
       "RMSNorm makes it nearly one and the same direction",
       "Energy in the four largest dimensions after RMSNorm, share",
       false,
       {{"top4_energy", "", "position 0"}, {"top4_energy_rest", "", "other positions, mean"}},
       {}},
      {"qk_locking",
       "positive_score_share",
       "Its key is constant, and nearly every query scores it positively",
       "The key of position 0, share or cosine",
       false,
       {{"positive_score_share", "", "share of scores > 0"},
        {"key_constancy", "", "cosine between texts"},
        {"key_query_alignment", "", "cosine with main query"}},
       {}},
      {"sink_onset",
       "excess_attention_after_spike",
       "Attention sinks into position 0",
       "Excess attention to position 0, share",
       false,
       {{"excess_attention", "", "position 0"}},
       {{"sink layer from 0.2 on", kSinkExcess}}}};
  return kLinks;
}

const std::vector<ChainArrow>& chain_arrows() {
  static const std::vector<ChainArrow> kArrows = {
      {"→ 1", "sink_source", "excess_attention_plain",
       "Position 0 suffices, whatever token stands there: no BOS is needed"},
      {"1 → 8", "mask_induced_sink", "target_to_first_ratio", "A later position that averages nothing becomes a sink"},
      {"1 → 8", "variance_scaling", "target_to_first_ratio",
       "A later position whose variance is amplified becomes a sink"},
      {"1 → 8", "side_effects", "other_activation_share", "These two change nothing but their target"},
      {"1 → 3 → 8", "super_neuron_mediation", "attention_removed",
       "The induced sink goes when the super neurons are held as they were"},
      {"3 → 8", "falsification", "attention_drop_zero",
       "The sink at position 0 goes with what the super neurons write there"},
      {"1 → 5 → 8", "disparity_mediation", "attention_removed",
       "The induced sink goes when the spike's dimensions are held as they were"},
      {"5 ↛ 8", "rotation", "dominance_over_rest_rotated",
       "Beyond the paper: the sink stays without dominating dimensions, a constant direction "
       "suffices"}};
  return kArrows;
}

std::optional<ChainFigure> chain_figure(const std::vector<Record>& records) {
  ChainFigure figure;
  for (size_t i = 0; i < chain_links().size(); ++i) {
    const ChainLink& link = chain_links()[i];
    const Record* record = find_record(records, link.claim);
    if (record == nullptr) continue;
    if (auto panel = panel_of(link, i, *record, figure)) figure.series.panels.push_back(std::move(*panel));
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

}  // namespace replicate
