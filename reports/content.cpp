#include "reports/content.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "reports/findings.h"
#include "reports/text.h"

namespace replicate {
namespace {

constexpr const char* kPaper = "The Structural Origin of Attention Sink";
constexpr const char* kPaperReference = "arXiv 2605.06611";

using Role = Paragraph::Role;

Block paragraph(Line line, Role role = Role::plain) { return {Paragraph{std::move(line), role}}; }

/// Appends `words` as a sentence of its own: experiments and YAML are free to leave out the full
/// stop.
std::string sentence(std::string words) {
  if (!words.empty() && std::string(".!?:").find(words.back()) == std::string::npos) words += '.';
  return words;
}

std::string title_of(const Record& record) {
  return record.title.empty() ? record.claim : record.title;
}

// ---- summary ----------------------------------------------------------------------------------

std::string model_in_words(const ModelRecord& model) {
  std::vector<std::string> facts;
  if (!model.architecture.empty()) facts.push_back(model.architecture);
  if (model.layers > 0) facts.push_back(std::to_string(model.layers) + " layers");
  if (model.parameters > 0) facts.push_back(format_count(model.parameters) + " parameters");
  if (!model.quantization.empty()) facts.push_back(model.quantization + " weights");
  return facts.empty() ? "" : " (" + join(facts, ", ") + ")";
}

std::string machine_in_words(const Environment& environment) {
  std::vector<std::string> facts;
  const std::string& machine = environment.cpu.empty() ? environment.device : environment.cpu;
  if (!environment.device.empty() && machine != environment.device)
    facts.push_back("device " + environment.device);
  if (environment.threads > 0)
    facts.push_back(plural(static_cast<size_t>(environment.threads), "thread"));
  if (!environment.dtype.empty()) facts.push_back(environment.dtype);
  if (machine.empty()) return join(facts, ", ");
  return machine + (facts.empty() ? "" : " (" + join(facts, ", ") + ")");
}

std::vector<const InputsRecord*> all_inputs(const std::vector<Record>& records) {
  std::vector<const InputsRecord*> inputs;
  for (const Record& record : records)
    for (const InputsRecord& one : record.inputs) inputs.push_back(&one);
  return inputs;
}

std::string kinds_in_words(const std::vector<const InputsRecord*>& inputs) {
  std::vector<std::string> kinds;
  for (const InputsRecord* one : inputs)
    if (std::find(kinds.begin(), kinds.end(), one->kind) == kinds.end()) kinds.push_back(one->kind);
  return enumerate(kinds);
}

/// "natural, random and repeated inputs of 64 to 256 tokens"
std::string inputs_in_words(const std::vector<Record>& records) {
  const auto inputs = all_inputs(records);
  if (inputs.empty()) return "no inputs";
  const auto shorter = [](const auto* a, const auto* b) { return a->length < b->length; };
  const auto [shortest, longest] = std::minmax_element(inputs.begin(), inputs.end(), shorter);
  std::string words = kinds_in_words(inputs) + " inputs of " + std::to_string((*shortest)->length);
  if ((*shortest)->length != (*longest)->length)
    words += " to " + std::to_string((*longest)->length);
  return words + " tokens";
}

double total_seconds(const std::vector<Record>& records) {
  double seconds = 0;
  for (const Record& record : records) seconds += record.seconds;
  return seconds;
}

std::string models_in_words(const std::vector<Record>& records) {
  return enumerate(distinct(records, [](const Record& record) { return record.model.name; }));
}

Line lead(const std::vector<Record>& records) {
  const auto facts = distinct(records, [](const Record& r) { return model_in_words(r.model); });
  const auto machines =
      distinct(records, [](const Record& r) { return machine_in_words(r.environment); });
  Line line = {span::text("This run tested " + plural(records.size(), "claim") + " of "),
               span::strong(std::string("“") + kPaper + "”"),
               span::text(std::string(" (") + kPaperReference + ") on "),
               span::strong(models_in_words(records)), span::text(join(facts, ";"))};
  line.push_back(span::text(", with " + inputs_in_words(records)));
  if (!machines.empty()) line.push_back(span::text(", on " + join(machines, "; ")));
  line.push_back(span::text(". The claims took " + format_seconds(total_seconds(records)) +
                            ". The outcome: "));
  line.push_back(span::strong(describe(count_verdicts(records))));
  line.push_back(span::text("."));
  return line;
}

bool is_null_model(const Record& record) { return record.model.reinitialised; }

Blocks summary(const std::vector<Record>& records) {
  if (records.empty()) return {paragraph({span::text("This run holds no records.")}, Role::lead)};
  Blocks blocks = {paragraph(lead(records), Role::lead)};
  if (std::any_of(records.begin(), records.end(), is_null_model))
    blocks.push_back(paragraph(
        {span::strong("This is a null model: "),
         span::text("the same shapes with freshly drawn weights. It has learned nothing, so a pass "
                    "here would speak against the measurement, except where a claim is marked †.")},
        Role::warning));
  return blocks;
}

// ---- the verdict table ------------------------------------------------------------------------

void append(Line& line, const Line& more) { line.insert(line.end(), more.begin(), more.end()); }

Line verdict_line(const Record& record) {
  Line line = {span::verdict(to_string(record.verdict))};
  const std::string note = known_note(record);
  if (!note.empty()) append(line, {span::text(" "), span::muted(note)});
  return line;
}

Line headline_line(const Headline& headline) {
  const MetricText shown = format_metric(*headline.metric);
  Line line = {span::code(headline.metric->name), span::text(" "), span::strong(shown.value)};
  if (!shown.interval.empty()) append(line, {span::text(" " + shown.interval)});
  if (headline.criterion != nullptr)
    append(line,
           {span::text(" "), span::muted("(" + op_sign(headline.criterion->op) + " " +
                                         format_number(headline.criterion->threshold) + ")")});
  return line;
}

Line measured_line(const Record& record) {
  Line line;
  for (const Headline& headline : headlines(record)) {
    if (!line.empty()) line.push_back(span::line_break());
    append(line, headline_line(headline));
  }
  return line.empty() ? Line{span::muted(record.reason)} : line;
}

Line paper_line(const PaperReference& paper) {
  Line line;
  if (!paper.figures.empty()) line.push_back(span::muted(figures_text(paper)));
  if (!line.empty() && !paper.expected.empty()) line.push_back(span::line_break());
  if (!paper.expected.empty()) line.push_back(span::text(paper.expected));
  return line;
}

Line claim_line(const Record& record) {
  return {span::link(record.claim, "#" + anchor_of(record.claim)),
          span::text(has_dagger(record) ? " †" : ""), span::line_break(),
          span::text(title_of(record))};
}

bool any_dagger(const std::vector<Record>& records) {
  return std::any_of(records.begin(), records.end(), has_dagger);
}

Block verdict_section(const std::vector<Record>& records) {
  Table table{"Verdicts", {{"Claim"}, {"The paper shows"}, {"Measured here"}, {"Verdict"}}, {}};
  for (const Record& record : records)
    table.rows.push_back({claim_line(record), paper_line(record.paper), measured_line(record),
                          verdict_line(record)});
  Line legend = {
      span::text("Brackets hold 95% intervals, parentheses what the claim has to reach. "),
      span::text("“Known” verdicts are listed for this model in its configuration: they "
                 "are results, not defects of the run.")};
  if (any_dagger(records))
    legend.push_back(
        span::text(" †: part of this claim holds by arithmetic alone; see its notes."));
  return {Section{"verdicts", {span::text("Verdicts")}, {{table}, paragraph(legend, Role::note)}}};
}

// ---- one claim --------------------------------------------------------------------------------

Line interval_line(const Metric* metric) {
  if (metric == nullptr) return {span::muted("–")};
  const std::string interval = format_metric(*metric).interval;
  return interval.empty() ? Line{span::muted("–")} : Line{span::text(interval)};
}

Line value_line(const Metric* metric) {
  if (metric == nullptr) return {span::muted("not measured")};
  return {span::strong(format_metric(*metric).value)};
}

Line outcome_line(const std::string& outcome) {
  return outcome.empty() ? Line{span::muted("not judged")} : Line{span::verdict(outcome)};
}

std::string on_inputs(const Metric* metric) { return metric == nullptr ? "" : metric->inputs; }

constexpr Column::Role kNumber = Column::Role::number;

Block criteria_table(const Record& record) {
  Table table{"Criteria of " + record.claim,
              {{"Metric"},
               {"Inputs"},
               {"Measured", kNumber},
               {"95% interval", kNumber},
               {"Has to be", kNumber},
               {"Outcome"},
               {"Source of the threshold"}},
              {}};
  for (const Criterion& criterion : record.criteria) {
    const Metric* metric = find_metric(record, criterion.metric);
    table.rows.push_back(
        {{span::code(criterion.metric)},
         {span::text(on_inputs(metric))},
         value_line(metric),
         interval_line(metric),
         {span::text(op_sign(criterion.op) + " " + format_number(criterion.threshold))},
         outcome_line(criterion.outcome),
         {span::text(criterion.source)}});
  }
  return {table};
}

/// How far a control may stray from zero, with the effect that this is a fraction of.
Line allowed_line(const Record& record, const Control& control) {
  const Metric* effect = find_metric(record, control.of);
  Line line = {span::text(format_number(control.fraction) + " × "), span::code(control.of)};
  if (effect != nullptr)
    line.push_back(span::text(" = " + format_number(control.fraction * std::abs(effect->value))));
  return line;
}

Block control_table(const Record& record) {
  Table table{"Controls of " + record.claim,
              {{"Control"},
               {"Measured", kNumber},
               {"95% interval", kNumber},
               {"Has to stay within ±"},
               {"Outcome"},
               {"Source of the fraction"}},
              {}};
  for (const Control& control : record.controls) {
    const Metric* metric = find_metric(record, control.metric);
    table.rows.push_back({{span::code(control.metric)},
                          value_line(metric),
                          interval_line(metric),
                          allowed_line(record, control),
                          outcome_line(control.outcome),
                          {span::text(control.source)}});
  }
  return {table};
}

Block metric_table(const Record& record) {
  Table table{"All metrics of " + record.claim,
              {{"Metric"},
               {"Where"},
               {"Inputs"},
               {"Value", kNumber},
               {"95% interval", kNumber},
               {"n", kNumber}},
              {}};
  for (const Metric& metric : record.measurement.metrics)
    table.rows.push_back({{span::code(metric.name)},
                          {span::text(format_where(metric))},
                          {span::text(metric.inputs)},
                          {span::text(format_metric(metric).value)},
                          interval_line(&metric),
                          {span::text(metric.n > 0 ? std::to_string(metric.n) : "–")}});
  return {Fold{"All metrics (" + std::to_string(table.rows.size()) + ")", {{table}}}};
}

Block input_table(const Record& record) {
  Table table{"Inputs of " + record.claim,
              {{"Inputs"}, {"Kind"}, {"B × T", kNumber}, {"BOS"}, {"sha256 of the token ids"}},
              {}};
  for (const InputsRecord& inputs : record.inputs)
    table.rows.push_back(
        {{span::text(inputs.label)},
         {span::text(inputs.kind)},
         {span::text(std::to_string(inputs.sequences) + " × " + std::to_string(inputs.length))},
         {span::text(inputs.bos ? "yes" : "no")},
         {span::code(short_hash(inputs.sha256))}});
  return {table};
}

Line caption(const Record& record) {
  std::string words = "Lines are means";
  const auto& series = record.measurement.series;
  if (std::any_of(series.begin(), series.end(), [](const Series& s) { return !s.low.empty(); }))
    words += ", bands 95% bootstrap intervals";
  Line line = {span::text(words + ". Data: "),
               span::link("record.json", record.claim + "/record.json")};
  if (!record.measurement.samples.empty())
    append(line, {span::text(", "), span::link("samples.csv", record.claim + "/samples.csv")});
  line.push_back(span::text("."));
  return line;
}

Block figure(const Record& record) {
  if (!is_drawable(record))
    return paragraph({span::text("No plot: this claim left nothing to draw.")}, Role::note);
  Figure figure{record.claim, {}, caption(record)};
  for (const Panel& panel : record.panels) figure.panels.push_back(panel.title);
  return {figure};
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
  Line line = {span::verdict(to_string(record.verdict)), span::text(" "),
               span::text(sentence(record.reason))};
  if (record.measurement.unmet)
    append(line, {span::strong(" Not met: "), span::text(sentence(*record.measurement.unmet))});
  if (is_known(record))
    append(line, {span::strong(" Known for this model: "), span::text(sentence(record.known_why))});
  if (departs(record))
    append(line, {span::strong(" This departs from the known verdict, " +
                               to_string(*record.known_verdict) + ": "),
                  span::text(sentence(record.known_why))});
  return line;
}

Line threshold_provenance(const Record& record) {
  Line line = {span::text("Thresholds: "), span::text(sentence(record.calibration)),
               span::text(" sha256 of criteria and controls "),
               span::code(short_hash(record.thresholds_sha256)), span::text(".")};
  if (record.calibration.empty()) line.erase(line.begin() + 1);
  return line;
}

void add_judging(const Record& record, Blocks& blocks) {
  if (!record.criteria.empty()) {
    blocks.push_back({Subheading{"Criteria"}});
    blocks.push_back(criteria_table(record));
  }
  if (!record.controls.empty()) {
    blocks.push_back({Subheading{"Controls"}});
    blocks.push_back(control_table(record));
  }
  if (!record.thresholds_sha256.empty())
    blocks.push_back(paragraph(threshold_provenance(record), Role::note));
}

void add_notes(const Record& record, Blocks& blocks) {
  if (record.measurement.notes.empty()) return;
  Bullets bullets;
  for (const std::string& note : record.measurement.notes)
    bullets.items.push_back({span::text(note)});
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
  blocks.push_back(paragraph({span::text(
      format_seconds(record.seconds) + " without survey and loading; peak memory " +
      format_megabytes(record.peak_memory_mb) + "; seed " + std::to_string(record.seed) + ".")}));
  if (!record.command.empty()) blocks.push_back({Listing{record.command}});
}

void add_folds(const Record& record, Blocks& blocks) {
  if (!record.measurement.metrics.empty()) blocks.push_back(metric_table(record));
  if (!record.parameters.empty())
    blocks.push_back({Fold{"Parameters as used", {{Listing{record.parameters}}}}});
}

Block claim_section(const Record& record) {
  Blocks blocks = {paragraph(result(record)), paragraph(statement(record), Role::quote),
                   figure(record)};
  add_judging(record, blocks);
  add_notes(record, blocks);
  add_inputs(record, blocks);
  add_repeat(record, blocks);
  add_folds(record, blocks);
  Line title = {span::text(title_of(record) + (has_dagger(record) ? " †" : "")), span::text(" "),
                span::code(record.claim)};
  return {Section{anchor_of(record.claim), title, blocks}};
}

// ---- provenance -------------------------------------------------------------------------------

/// A fact of the run; where a resumed run has several values, all of them.
struct Fact {
  const char* name;
  std::string (*field)(const Record&);
};

std::string number_or_nothing(int64_t count) { return count > 0 ? std::to_string(count) : ""; }

std::string heads(const ModelRecord& model) {
  if (model.heads == 0) return "";
  const std::string words = std::to_string(model.heads) + " query heads";
  return model.kv_heads > 0 ? words + ", " + std::to_string(model.kv_heads) + " key/value heads"
                            : words;
}

std::string weights(const ModelRecord& model) {
  return model.reinitialised ? "re-initialised (the null model)" : model.quantization;
}

constexpr Fact kFacts[] = {
    {"Model", [](const Record& r) { return r.model.name; }},
    {"Model file, sha256", [](const Record& r) { return r.model.sha256; }},
    {"Architecture", [](const Record& r) { return r.model.architecture; }},
    {"Weights", [](const Record& r) { return weights(r.model); }},
    {"Parameters",
     [](const Record& r) {
       return r.model.parameters > 0 ? format_count(r.model.parameters) : "";
     }},
    {"Layers", [](const Record& r) { return number_or_nothing(r.model.layers); }},
    {"Width", [](const Record& r) { return number_or_nothing(r.model.width); }},
    {"Heads", [](const Record& r) { return heads(r.model); }},
    {"Vocabulary", [](const Record& r) { return number_or_nothing(r.model.vocabulary); }},
    {"Profile", [](const Record& r) { return r.profile; }},
    {"Seed", [](const Record& r) { return std::to_string(r.seed); }},
    {"Version", [](const Record& r) { return r.environment.version; }},
    {"Commit", [](const Record& r) { return r.environment.commit; }},
    {"LibTorch", [](const Record& r) { return r.environment.libtorch; }},
    {"Compiler", [](const Record& r) { return r.environment.compiler; }},
    {"Device", [](const Record& r) { return r.environment.device; }},
    {"Processor", [](const Record& r) { return r.environment.cpu; }},
    {"Threads", [](const Record& r) { return number_or_nothing(r.environment.threads); }},
    {"Arithmetic", [](const Record& r) { return r.environment.dtype; }},
};

Block provenance_section(const std::vector<Record>& records) {
  Definitions facts;
  for (const Fact& fact : kFacts) {
    const auto values = distinct(records, fact.field);
    if (!values.empty())
      facts.entries.emplace_back(fact.name, Line{span::text(join(values, "; "))});
  }
  return {Section{"environment", {span::text("Environment and provenance")}, {{facts}}}};
}

}  // namespace

std::string anchor_of(const std::string& claim) {
  std::string anchor = claim;
  for (char& c : anchor)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '-';
  return anchor;
}

Document report_content(const std::vector<Record>& records) {
  const std::string models = models_in_words(records);
  Document document{std::string("“") + kPaper + "”" + (models.empty() ? "" : " on " + models),
                    summary(records)};
  if (records.empty()) return document;
  document.blocks.push_back(verdict_section(records));
  for (const Record& record : records) document.blocks.push_back(claim_section(record));
  document.blocks.push_back(provenance_section(records));
  document.blocks.push_back({Section{"definitions", {span::text("Definitions")}, {{glossary()}}}});
  return document;
}

}  // namespace replicate
