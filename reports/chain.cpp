#include "reports/chain.h"

#include <algorithm>
#include <cmath>

#include "reports/content.h"
#include "reports/findings.h"
#include "reports/text.h"

namespace replicate {
namespace {

constexpr size_t kFewestLinks = 3;
constexpr double kSinkExcess = 0.2;  // a sink layer's excess attention, by definition

/// A curve of the figure: a series over layers of one claim.
struct LinkCurve {
  std::string series, label;
};

/// One link of the chain: the claim that looks at it, and what follows position 0 through it.
struct Link {
  std::string claim, says, metric, title, y;  ///< metric: the number in the table
  bool log_y;
  std::vector<LinkCurve> curves;
  std::vector<std::pair<std::string, double>> thresholds;
};

const std::vector<Link>& links() {
  static const std::vector<Link> kLinks = {
      {"variance_discrepancy",
       "Averaging values leaves position 0 the variance outlier",
       "variance_ratio_first_to_rest",
       "Variance after value aggregation",
       "position 0 / positions 1-31",
       true,
       {{"variance_ratio_first_to_rest", "head outputs"}},
       {{"no difference", 1}}},
      {"output_projection_alignment",
       "The output projection keeps it",
       "variance_ratio_after",
       "Variance after the output projection",
       "position 0 / positions 1-31",
       true,
       {{"variance_ratio_after", "attention output"}},
       {{"no difference", 1}}},
      {"super_neuron_alignment",
       "Few hidden neurons fire for position 0 alone and write into few dimensions",
       "written_energy_share",
       "Largest contribution of a hidden neuron",
       "|activation| x |W_down column|",
       true,
       {{"largest_contribution_first", "position 0"}, {"largest_contribution_rest", "largest elsewhere"}},
       {}},
      {"sink_onset",
       "The residual vector of position 0 explodes",
       "spike_growth",
       "Norm at the layer's input",
       "l2 norm",
       true,
       {{"first_token_norm", "position 0"}, {"other_token_norm", "other positions, mean"}},
       {}},
      {"dimension_disparity",
       "A few dimensions dominate it",
       "dominance_over_rest",
       "Dominance ratio at the layer's input",
       "max|h| / mean|h|",
       true,
       {{"dominance_ratio", "position 0"}, {"dominance_ratio_rest", "other positions, mean"}},
       {}},
      {"dimension_disparity",
       "RMSNorm makes it nearly one basis direction",
       "top4_energy",
       "Energy in four dimensions after RMSNorm",
       "share of energy",
       false,
       {{"top4_energy", "position 0"}, {"top4_energy_rest", "other positions, mean"}},
       {}},
      {"qk_locking",
       "Its key is constant and meets nearly all queries",
       "positive_score_share",
       "Key of position 0",
       "share, or cosine",
       false,
       {{"positive_score_share", "share of positive scores"},
        {"key_constancy", "cosine between inputs"},
        {"key_query_alignment", "cosine with the queries' main direction"}},
       {}},
      {"sink_onset",
       "Attention sinks into it, right behind the norm",
       "excess_attention_after_spike",
       "Excess attention to position 0",
       "(a - u) / (1 - u)",
       false,
       {{"excess_attention", "position 0"}},
       {{"sink layer", kSinkExcess}}}};
  return kLinks;
}

/// What changes one thing and looks what follows: a pass answers yes.
struct Arrow {
  std::string claim, asks;
};

const std::vector<Arrow>& arrows() {
  static const std::vector<Arrow> kArrows = {
      {"mask_induced_sink", "Does a position that averages nothing become a sink?"},
      {"variance_scaling", "Does more variance make a sink, and a longer vector none?"},
      {"side_effects", "Does all else stay as it was?"},
      {"super_neuron_mediation", "Does the new sink go through the super neurons?"},
      {"disparity_mediation", "Does it go through the spike's dimensions?"},
      {"falsification", "Does the sink vanish when the super neurons write nothing?"},
      {"rotation", "Does the sink survive a rotation that spreads its dimensions?"},
      {"sink_source", "Does position 0 make it, whatever token stands there?"}};
  return kArrows;
}

const Record* find_record(const std::vector<Record>& records, const std::string& claim) {
  const auto found = std::find_if(records.begin(), records.end(),
                                  [&](const Record& record) { return record.claim == claim; });
  return found == records.end() ? nullptr : &*found;
}

/// The judged condition's series over layers, null where it was not measured.
const Series* layer_series(const Record& record, const std::string& name) {
  for (const Series& series : record.measurement.series)
    if (series.name == name && series.axis == "layer") return &series;
  return nullptr;
}

/// The link's panel with its series copied into `figure`; false where nothing of it was measured.
bool add_panel(const Link& link, const std::string& number, const std::vector<Record>& records, Record& figure) {
  const Record* record = find_record(records, link.claim);
  if (record == nullptr) return false;
  Panel panel{number + "  " + link.title, "layer", link.y, false, link.log_y, {}, link.thresholds};
  for (const LinkCurve& curve : link.curves) {
    const Series* series = layer_series(*record, curve.series);
    if (series == nullptr) continue;
    figure.measurement.series.push_back(*series);
    panel.curves.push_back({series->name, series->inputs, curve.label});
  }
  if (panel.curves.empty()) return false;
  figure.panels.push_back(std::move(panel));
  return true;
}

/// Layers in which the measured excess attention makes a sink, as bands; spikes as lines.
std::vector<LayerMark> layer_marks(const std::vector<Record>& records) {
  std::vector<LayerMark> marks;
  const Record* onset = find_record(records, "sink_onset");
  if (onset == nullptr) return marks;
  if (const Series* excess = layer_series(*onset, "excess_attention")) {
    for (size_t i = 0; i < excess->y.size(); ++i)
      if (excess->y[i] >= kSinkExcess) marks.push_back({LayerMark::Kind::sink, excess->x[i]});
  }
  const Metric* first = find_metric(*onset, "spike_layers");
  for (const Metric& metric : onset->measurement.metrics)
    if (metric.name == "spike_layers" && metric.inputs == first->inputs)
      marks.push_back({LayerMark::Kind::spike, metric.value});
  return marks;
}

Line claim_line(const std::string& claim, const Record* record) {
  if (record == nullptr) return {span::code(claim)};
  return {span::link(claim, "#" + anchor_of(claim))};
}

/// Of the judged inputs; the largest where it was measured at several places.
const Metric* largest_metric(const Record& record, const std::string& name) {
  const Metric* largest = find_metric(record, name);
  for (const Metric& metric : record.measurement.metrics)
    if (metric.name == name && metric.inputs == largest->inputs && metric.value > largest->value) largest = &metric;
  return largest;
}

/// The first judged number where the link names none that was measured.
const Metric* number_of(const Record& record, const std::string& name) {
  if (const Metric* metric = largest_metric(record, name)) return metric;
  const auto found = headlines(record);
  return found.empty() ? nullptr : found.front().metric;
}

Line number_line(const Record* record, const std::string& name) {
  if (record == nullptr) return {span::muted("not run")};
  const Metric* metric = number_of(*record, name);
  if (metric == nullptr) return {span::muted(record->reason)};
  const MetricText shown = format_metric(*metric);
  const std::string where = format_where(*metric);
  return {span::code(metric->name), span::line_break(), span::strong(shown.value),
          span::text(shown.interval.empty() ? "" : " " + shown.interval),
          span::muted(where.empty() ? "" : " (" + where + ")")};
}

Line verdict_line(const Record* record) {
  if (record == nullptr) return {span::muted("–")};
  return {span::verdict(to_string(record->verdict))};
}

Block link_table(const std::vector<Record>& records) {
  Table table{"The links of the chain", {{"Link"}, {"Claim"}, {"Measured"}, {"Verdict"}}, {}};
  for (size_t i = 0; i < links().size(); ++i) {
    const Link& link = links()[i];
    const Record* record = find_record(records, link.claim);
    table.rows.push_back({{span::text(std::to_string(i + 1) + ". " + link.says)},
                          claim_line(link.claim, record),
                          number_line(record, link.metric),
                          verdict_line(record)});
  }
  return {table};
}

Block arrow_table(const std::vector<Record>& records) {
  Table table{"What changes one thing and looks what follows",
              {{"Question (pass: yes)"}, {"Claim"}, {"Measured"}, {"Verdict"}},
              {}};
  for (const Arrow& arrow : arrows()) {
    if (const Record* record = find_record(records, arrow.claim))
      table.rows.push_back({{span::text(arrow.asks)},
                            claim_line(arrow.claim, record),
                            number_line(record, ""),
                            verdict_line(record)});
  }
  return {table};
}

}  // namespace

std::optional<ChainFigure> chain_figure(const std::vector<Record>& records) {
  ChainFigure figure;
  figure.record.claim = kChainFolder;
  size_t found = 0;
  for (size_t i = 0; i < links().size(); ++i)
    found += add_panel(links()[i], std::to_string(i + 1), records, figure.record);
  if (found < kFewestLinks) return std::nullopt;
  figure.marks = layer_marks(records);
  return figure;
}

std::optional<Block> chain_section(const std::vector<Record>& records) {
  const auto chain = chain_figure(records);
  if (!chain) return std::nullopt;
  Figure figure{kChainFolder, {}, {span::text("Position 0 through the layers, as each claim measured it. Grey: sink "
                                              "layers; dotted vertical lines: right behind a layer whose output spikes.")}};
  for (const Panel& panel : chain->record.panels) figure.panels.push_back(panel.title);
  Blocks blocks = {{figure}, {Subheading{"Links"}}, link_table(records)};
  if (const auto interventions = arrow_table(records); !std::get<Table>(interventions.content).rows.empty()) {
    blocks.push_back({Subheading{"Interventions"}});
    blocks.push_back(interventions);
  }
  return Block{Section{kChainFolder, {span::text("The chain in this model")}, blocks}};
}

}  // namespace replicate
