#include "reports/chain.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/paper.h"
#include "reports/plots/chain_script.h"
#include "reports/sections/cells.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

// ---- caption ----------------------------------------------------------------------------------------

std::string layers_in_words(const std::vector<double>& layers) {
  return (layers.size() == 1 ? "layer " : "layers ") + format_ranges(layers);
}

std::string marks_in_words(const ChainFigure& figure) {
  std::string words;
  if (!figure.sink_layers.empty()) words += " Grey: sink layers, here " + layers_in_words(figure.sink_layers) + ".";
  if (!figure.spikes.empty())
    words += " Vertical lines: what " + layers_in_words(figure.spikes) +
             (figure.spikes.size() == 1 ? " adds" : " add") + " makes the norm spike.";
  if (figure.spikes.size() > 1 && figure.dominant_spike > 0) words += " Solid: the dominant spike.";
  return words;
}

Block figure_block(const ChainFigure& chain) {
  Figure figure{kChain, {}, {}, Figure::Kind::page};
  for (const Panel& panel : chain.series.panels) figure.panels.push_back(panel.title);
  figure.plotted = plotted_panels(chain);
  figure.caption = {
      span::text("Position 0 on its way through the layers, as each claim measured it on the inputs "
                 "named. Bands: 95% intervals." +
                 marks_in_words(chain) + " Links that were not measured are left out.")};
  return {figure};
}

// ---- tables -----------------------------------------------------------------------------------------

Line measured_line(const Record* record, const std::string& metric) {
  if (record == nullptr) return {span::muted("not run")};
  const Headline headline = headline_of(*record, metric);
  return headline.metric == nullptr ? Line{span::muted(record->reason)} : headline_line(headline);
}

Line verdict_line(const Record* record, const std::string& metric) {
  if (record == nullptr) return {span::muted("–")};
  const Verdict outcome = outcome_of(*record, metric);
  Line line = {span::verdict(to_string(outcome))};
  const auto by = decider(*record);
  if (outcome != record->verdict)
    append(line, {span::line_break(), span::muted("the claim: " + to_string(record->verdict))});
  if (by && (by->control || by->metric->name != metric))
    append(line, {span::line_break(), span::muted(by->control ? "at control " : "at "), span::code(by->metric->name)});
  if (const auto variations = variation_note(*record); !variations.empty())
    append(line, {span::line_break(), span::muted(variations)});
  return line;
}

Line claim_line(const Record* record, const std::string& claim) {
  if (record == nullptr) return {span::code(claim)};
  return {span::link(claim, "#" + anchor_of(claim)), span::text(has_dagger(*record) ? " †" : "")};
}

/// "1 → 8" on one line.
std::string unbroken(std::string words) {
  replace_all(words, " ", "\u00A0");
  return words;
}

std::vector<Line> row(const std::string& link, const std::string& says, const std::string& claim,
                      const std::string& metric, const std::vector<Record>& records) {
  const Record* record = find_record(records, claim);
  return {{span::strong(unbroken(link))},
          {span::text(says)},
          claim_line(record, claim),
          measured_line(record, metric),
          verdict_line(record, metric)};
}

Block link_table(const std::vector<Record>& records) {
  Table table{"The links of the chain", {{"Link"}, {"What it says"}, {"Claim"}, {"Measured"}, {"Verdict"}}, {}};
  for (const ChainLink& link : paper().links)
    table.rows.push_back(row(std::to_string(table.rows.size() + 1), link.says, link.claim, link.metric, records));
  return {table};
}

Block arrow_table(const std::vector<Record>& records) {
  Table table{"Interventions on the chain", {{"Arrow"}, {"What it says"}, {"Claim"}, {"Measured"}, {"Verdict"}}, {}};
  for (const ChainArrow& arrow : paper().arrows)
    table.rows.push_back(row(arrow.links, arrow.says, arrow.claim, arrow.metric, records));
  return {table};
}

}  // namespace

Blocks chain_section(const std::vector<Record>& records) {
  const auto figure = chain_figure(records);
  if (!figure) return {};
  Blocks blocks = {figure_block(*figure),
                   {Subheading{"The links: does each hold?"}},
                   link_table(records),
                   {Subheading{"The arrows: does one link bring about the other?"}},
                   arrow_table(records)};
  return {{Section{kChain, {span::text("The chain in this model")}, blocks}}};
}

}  // namespace replicate::report
