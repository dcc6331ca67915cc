#include <algorithm>
#include <cmath>

#include "reports/content.h"
#include "reports/findings.h"
#include "reports/plots/map_script.h"
#include "reports/plots/plot_script.h"
#include "reports/sections/cells.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

using Role = Paragraph::Role;

/// Appends `words` as a sentence of its own: experiments and YAML are free to leave out the full
/// stop.
std::string sentence(std::string words) {
  if (!words.empty() && std::string(".!?:").find(words.back()) == std::string::npos) words += '.';
  return words;
}

std::string on_inputs(const Metric* metric) { return metric == nullptr ? "" : metric->inputs; }

constexpr Column::Role kNumber = Column::Role::number;

Block criteria_table(const Record& record) {
  Table table{"Criteria of " + record.claim,
              {{"Metric"},
               {"Inputs"},
               {"Measured", kNumber},
               {"95% interval", kNumber},
               {"Must be", kNumber},
               {"Outcome"},
               {"Source of the threshold"}},
              {}};
  for (const Finding& criterion : record.criteria) {
    const Metric* metric = find_metric(record, criterion.metric);
    table.rows.push_back({{span::code(criterion.metric)},
                          {span::text(on_inputs(metric))},
                          value_line(metric),
                          interval_line(metric),
                          {span::text(op_sign(to_string(criterion.op)) + " " + format_number(criterion.threshold))},
                          outcome_line(to_string(criterion.outcome)),
                          {span::text(criterion.source)}});
  }
  return {table};
}

/// How far a control may stray from zero, with the effect that this is a fraction of.
Line allowed_line(const Record& record, const ControlFinding& control) {
  const Metric* effect = find_metric(record, control.of);
  Line line = {span::text(format_number(control.fraction) + " × "), span::code(control.of)};
  if (effect != nullptr) line.push_back(span::text(" = " + format_number(control.fraction * std::abs(effect->value))));
  return line;
}

Block control_table(const Record& record) {
  Table table{"Controls of " + record.claim,
              {{"Control"},
               {"Measured", kNumber},
               {"95% interval", kNumber},
               {"Must stay within ±"},
               {"Outcome"},
               {"Source of the fraction"}},
              {}};
  for (const ControlFinding& control : record.controls) {
    const Metric* metric = find_metric(record, control.metric);
    table.rows.push_back({{span::code(control.metric)},
                          value_line(metric),
                          interval_line(metric),
                          allowed_line(record, control),
                          outcome_line(to_string(control.outcome)),
                          {span::text(control.source)}});
  }
  return {table};
}

Block input_table(const Record& record) {
  Table table{"Inputs of " + record.claim,
              {{"Inputs"}, {"Kind"}, {"B × T", kNumber}, {"BOS"}, {"sha256 of the token ids"}},
              {}};
  for (const InputsRecord& inputs : record.inputs)
    table.rows.push_back({{span::text(inputs.label)},
                          {span::text(inputs.kind)},
                          {span::text(std::to_string(inputs.sequences) + " × " + std::to_string(inputs.length))},
                          {span::text(inputs.bos ? "yes" : "no")},
                          {span::code(short_hash(inputs.sha256))}});
  return {table};
}

Line caption(const Record& record) {
  std::string words = "Lines are means";
  if (has_bands(record))
    words +=
        record.kind == ClaimKind::training ? ", bands 95% t intervals over seeds" : ", bands 95% bootstrap intervals";
  Line line = {span::text(words + ". Data: "), span::link("record.json", record.claim + "/record.json")};
  if (!record.measurement.samples.empty())
    append(line, {span::text(", "), span::link("samples.csv", record.claim + "/samples.csv")});
  line.push_back(span::text("."));
  return line;
}

constexpr size_t kPanelsAtFirst = 2;  // those of the claim itself; the others go into detail

/// Panels from `first` on, `count` of them.
Blocks panels(const Record& record, size_t first, size_t count) {
  Figure figure = panel_figure(record, record.claim + "/" + kPlot, caption(record));
  if (first >= figure.panels.size()) return {};
  figure.first = first;
  figure.count = count;
  return {{figure}};
}

/// What the colours of a record's maps have in common.
Line map_caption(const std::vector<Map>& maps) {
  std::string words;
  if (std::any_of(maps.begin(), maps.end(), is_attention))
    words = "Attention maps share one colour scale; left blank: keys that the query cannot see. ";
  for (size_t i = 0; i < maps.size(); ++i) {
    if (!colour_scale(maps, i).cut) continue;
    words += "The scale ends at a ten-thousandth of the largest value. ";
    break;
  }
  return {span::text(words + "Means over sequences.")};
}

Blocks maps(const Record& record) {
  if (!has_maps(record)) return {};
  Figure figure{record.claim + "/" + kMaps, {}, map_caption(record.measurement.maps), Figure::Kind::maps};
  for (const Map& map : record.measurement.maps) figure.panels.push_back(map.title);
  return {{figure}};
}

/// On the claim's own page; elsewhere where to find it.
Blocks head_maps(const Record& record, bool own_page) {
  const auto& maps = record.measurement.head_maps;
  if (!maps) return {};
  if (!own_page) {
    return {paragraph({span::text("The attention of every head on " + plural(maps->texts.size(), "text") + ": "),
                       span::link("the claim's page", record.claim + "/report.html"), span::text(".")})};
  }
  return {
      {Subheading{"Attention of single heads"}},
      {MapChooser{
          *maps,
          {span::text("Attention from each of the first " + std::to_string(maps->positions()) +
                      " tokens (rows) to itself and those before it (columns), from 0 (purple) to 1 (yellow). Data: "),
           span::link("attention.json", record.claim + "/attention.json"), span::text(".")}}}};
}

Line statement(const Record& record) {
  const std::string figures = figures_text(record.paper);
  Line line = {span::strong("The claim" + (figures.empty() ? "" : " (" + figures + ")") + ". "),
               span::text(sentence(record.paper.statement))};
  if (!record.paper.expected.empty())
    append(line, {span::strong(" The paper shows: "), span::text(sentence(record.paper.expected))});
  return line;
}

Line result(const Record& record) {
  Line line = {span::verdict(to_string(record.verdict)), span::text(" "), span::text(sentence(record.reason))};
  if (const auto bearing = bearing_note(record); !bearing.empty())
    append(line, {span::text(" Standing and bearing: "), span::strong(bearing), span::text(".")});
  if (const auto note = registration_note(record); !note.empty()) line.push_back(span::text(" " + note));
  if (is_known(record))
    append(line, {span::strong(record.kind == ClaimKind::training ? " As recorded for this profile: "
                                                                  : " As recorded for this model: "),
                  span::text(sentence(record.known_why))});
  if (departs(record))
    append(line, {span::strong(" This departs from the verdict on record, " + to_string(*record.known_verdict) + ": "),
                  span::text(sentence(record.known_why))});
  return line;
}

Line threshold_provenance(const Record& record) {
  Line line = {span::text("Thresholds: "), span::text(sentence(record.calibration)),
               span::text(" sha256 of what judges "), span::code(short_hash(record.thresholds_sha256)),
               span::text(".")};
  if (record.calibration.empty()) line.erase(line.begin() + 1);
  return line;
}

std::string name_of(const StageFinding& stage) {
  return stage.spike == 0 ? "all stages" : "spike in layer " + std::to_string(stage.spike);
}

/// One row per stage: what the judged one came to decides, the others stand beside it.
Block stage_table(const Record& record) {
  Table table{"Stages of " + record.claim, {{"Stage"}, {"Sink layers"}, {"Verdict"}, {"Why"}}, {}};
  for (const StageFinding& stage : record.stages) {
    const bool judged = &stage == &record.stages.front();
    table.rows.push_back({{span::text(name_of(stage) + (judged ? " (decides)" : ""))},
                          {span::text(format_ranges({stage.sinks.begin(), stage.sinks.end()}))},
                          {span::verdict(to_string(stage.verdict))},
                          {span::text(stage.reason)}});
  }
  return {table};
}

void add_judging(const Record& record, Blocks& blocks) {
  if (!record.criteria.empty()) {
    blocks.push_back({Subheading{"Criteria"}});
    blocks.push_back(criteria_table(record));
  }
  if (record.stages.size() > 1) {
    blocks.push_back({Subheading{"Stages"}});
    blocks.push_back(stage_table(record));
  }
  if (!record.controls.empty()) {
    blocks.push_back({Subheading{"Controls"}});
    blocks.push_back(control_table(record));
  }
  if (!record.thresholds_sha256.empty()) blocks.push_back(paragraph(threshold_provenance(record), Role::note));
}

void add_notes(const Record& record, Blocks& blocks) {
  if (record.measurement.notes.empty() && !has_dagger(record)) return;
  Bullets bullets;
  if (has_dagger(record)) bullets.items.push_back({span::text("† " + record.arithmetic)});
  for (const std::string& note : record.measurement.notes) bullets.items.push_back({span::text(note)});
  blocks.push_back({Subheading{"Notes"}});
  blocks.push_back({bullets});
}

void add_inputs(const Record& record, Blocks& blocks) {
  if (record.inputs.empty()) return;
  blocks.push_back({Subheading{"Inputs"}});
  blocks.push_back(input_table(record));
}

void add_repeat(const Record& record, Blocks& blocks) {
  blocks.push_back({Subheading{"Cost and how to repeat it"}});
  blocks.push_back(
      paragraph({span::text(format_seconds(record.seconds) + " without survey and loading; peak memory " +
                            format_megabytes(record.peak_memory_mb) + "; seed " + std::to_string(record.seed) + ".")}));
  if (!record.command.empty()) blocks.push_back({Listing{record.command}});
}

void add_parameters(const Record& record, Blocks& blocks) {
  if (!record.parameters.empty()) blocks.push_back({Fold{"Parameters as used", {{Listing{record.parameters}}}}});
}

}  // namespace

Block claim_section(const Record& record, Detail detail) {
  const bool folded = detail == Detail::folded;
  Blocks blocks = {paragraph(result(record)), paragraph(statement(record), Role::quote)};
  append(blocks, panels(record, 0, folded ? kPanelsAtFirst : SIZE_MAX));
  Blocks rest = folded ? panels(record, kPanelsAtFirst, SIZE_MAX) : Blocks{};
  append(rest, maps(record));
  append(rest, head_maps(record, !folded));
  add_judging(record, rest);
  append(rest, sweep_blocks(record));
  append(rest, paper_distance_blocks(record));
  add_notes(record, rest);
  add_inputs(record, rest);
  add_repeat(record, rest);
  append(rest, metric_blocks(record));
  add_parameters(record, rest);
  if (folded) {
    blocks.push_back(
        {Fold{"Further panels, criteria, controls, variations, notes, inputs and all metrics", std::move(rest)}});
  } else {
    append(blocks, rest);
  }
  Line title = {span::text(title_of(record) + dagger_after_title(record)), span::text(" "), span::code(record.claim)};
  return {Section{anchor_of(record.claim), title, blocks, record.claim, to_string(record.verdict)}};
}

}  // namespace replicate::report
