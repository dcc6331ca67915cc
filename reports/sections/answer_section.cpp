#include <algorithm>

#include "reports/brief.h"
#include "reports/chain.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/paper.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

using Role = Paragraph::Role;

// ---- what was measured ------------------------------------------------------------------------------

std::string model_in_words(const ModelRecord& model) {
  std::vector<std::string> facts;
  if (!model.architecture.empty()) facts.push_back(model.architecture);
  if (model.layers > 0) facts.push_back(std::to_string(model.layers) + " layers");
  if (model.parameters > 0) facts.push_back(format_count(model.parameters) + " parameters");
  if (!model.quantization.empty() && model.quantization != "none") facts.push_back(model.quantization + " weights");
  return model.name + (model.name.empty() || facts.empty() ? "" : " (" + join(facts, ", ") + ")");
}

std::string machine_in_words(const Environment& environment) {
  std::vector<std::string> facts;
  const std::string& machine = environment.cpu.empty() ? environment.device : environment.cpu;
  if (!environment.device.empty() && machine != environment.device) facts.push_back("device " + environment.device);
  if (environment.threads > 0) facts.push_back(plural(static_cast<size_t>(environment.threads), "thread"));
  if (!environment.dtype.empty()) facts.push_back(environment.dtype);
  if (machine.empty()) return join(facts, ", ");
  return machine + (facts.empty() ? "" : " (" + join(facts, ", ") + ")");
}

double total_seconds(const std::vector<Record>& records) {
  double seconds = 0;
  for (const Record& record : records) seconds += record.seconds;
  return seconds;
}

/// "2026-12-31": the day on which the last claim ended.
std::string day(const std::vector<Record>& records) {
  std::string last;
  for (const Record& record : records) last = std::max(last, record.environment.date);
  return last.substr(0, last.find('T'));
}

/// The models that were given, then those that claims trained themselves, as one.
std::vector<std::string> models(const std::vector<Record>& records, std::string (*words)(const ModelRecord&)) {
  const auto given = [&](const Record& r) { return r.kind == ClaimKind::training ? "" : words(r.model); };
  auto all = distinct(records, given);
  const auto trains = [](const Record& r) { return r.kind == ClaimKind::training; };
  if (std::any_of(records.begin(), records.end(), trains)) all.emplace_back("models trained here");
  return all;
}

/// Model, profile, day, cost and machine, in one line where there is room.
Line facts(const std::vector<Record>& records) {
  const auto measured = models(records, model_in_words);
  const auto machines = distinct(records, [](const Record& r) { return machine_in_words(r.environment); });
  const auto profiles = distinct(records, [](const Record& r) { return r.profile; });
  std::vector<std::string> rest;
  if (!profiles.empty()) rest.push_back("profile " + enumerate(profiles));
  if (const auto when = day(records); !when.empty()) rest.push_back(when);
  rest.push_back(plural(records.size(), "claim") + " in " + format_seconds(total_seconds(records)));
  if (!machines.empty()) rest.push_back(join(machines, "; "));
  return {span::strong(join(measured, "; ")), span::text((measured.empty() ? "" : " · ") + join(rest, " · "))};
}

Line counts(const std::vector<Record>& records) {
  Line line;
  for (const auto& [verdict, count] : count_verdicts(records).by_verdict) {
    if (count == 0) continue;
    append(line, {span::text(line.empty() ? "" : "  "), span::strong(std::to_string(count) + " "),
                  span::verdict(to_string(verdict))});
  }
  if (const auto evidence = evidence_note(records); !evidence.empty())
    append(line, {span::text("  Evidence: "), span::strong(evidence), span::text(".")});
  return line;
}

bool is_null_model(const Record& record) { return record.model.reinitialised; }

Blocks warnings(const std::vector<Record>& records) {
  Blocks blocks;
  for (const auto& caution : distinct(records, [](const Record& r) { return r.caution; }))
    blocks.push_back(paragraph({span::strong("Not to be quoted: "), span::text(caution + ".")}, Role::warning));
  if (std::any_of(records.begin(), records.end(), is_null_model))
    blocks.push_back(
        paragraph({span::strong("This is a null model: "),
                   span::text("the same shapes with freshly drawn weights. It has learned nothing, so a pass "
                              "here would speak against the measurement, except where a claim is marked †.")},
                  Role::warning));
  return blocks;
}

// ---- the chain and the claims -----------------------------------------------------------------------

/// The link's own number, with what is asked of it; nothing where it was not judged.
Line note_of(const ChainLink& link, const Record& record) {
  const Metric* metric = find_metric(record, link.metric);
  if (metric == nullptr || is_unjudged(record.verdict)) return {};
  const std::string asked = asked_of(headline_of(record, link.metric));
  Span value = span::strong(shown_value(*metric));
  value.hint = metric->name;
  return {value, span::text(asked.empty() ? "" : " (" + asked + ")")};
}

Block chain_steps(const std::vector<Record>& records) {
  Steps steps{"The chain", {}};
  for (const ChainLink& link : paper().links) {
    const Record* record = find_record(records, link.claim);
    if (record == nullptr) {
      steps.steps.push_back({link.name, to_string(Verdict::not_run), "", {}});
    } else {
      steps.steps.push_back({link.name, to_string(outcome_of(*record, link.metric)), "#" + anchor_of(link.claim),
                             note_of(link, *record)});
    }
  }
  return {steps};
}

Line claim_cell(const Record& record) {
  Span link = span::link(record.claim, "#" + anchor_of(record.claim));
  link.hint = title_of(record);
  return {span::sign(to_string(record.verdict)), span::text(" "), link, span::text(has_dagger(record) ? " †" : "")};
}

/// The number; without one the verdict in a word, with its reason.
Span value_span(const BriefRow& row) {
  if (row.value.empty()) {
    Span word = span::muted(to_string(row.record->verdict));
    word.hint = row.record->reason;
    return word;
  }
  Span value = span::text(row.value);
  value.hint = row.metric;
  return value;
}

std::vector<Line> cells_of(const BriefRow& row, bool with_standing) {
  const Record& record = *row.record;
  const Span value = value_span(row);
  std::vector<Line> cells = {claim_cell(record), {value}, {span::muted(row.asked)}, {span::text(row.variations)}};
  if (with_standing) cells.push_back({span::muted(record.standing ? to_string(*record.standing) : "")});
  cells.push_back({span::text(record.bearing ? to_string(*record.bearing) : "")});
  return cells;
}

bool has_mixed_standings(const std::vector<Record>& records) {
  return !common_standing(records) &&
         std::ranges::any_of(records, [](const Record& r) { return r.standing.has_value(); });
}

/// What all have in common is said once, in the legend.
Block board(const std::vector<Record>& records) {
  constexpr auto kNumber = Column::Role::number;
  const bool with_standing = has_mixed_standings(records);
  Board board{"All claims", {{"Claim"}, {"Measured", kNumber}, {"Must be"}, {"Variations that agree", kNumber}}, {}};
  if (with_standing) board.columns.push_back({"Standing"});
  board.columns.push_back({"Bearing"});
  for (const BriefGroup& group : brief_groups(records)) {
    board.groups.push_back({group.title, {}});
    for (const BriefRow& row : group.rows) board.groups.back().rows.push_back(cells_of(row, with_standing));
  }
  return {board};
}

Line legend(const std::vector<Record>& records) {
  const auto standing = common_standing(records);
  Line line = {
      span::text("Columns: the number that decided, of a pass the first that is judged; what it must be; how many "
                 "variations agree; ")};
  if (has_mixed_standings(records)) line.push_back(span::text("whether the outcome was known beforehand (standing); "));
  line.push_back(span::text("what the verdict says of the paper."));
  if (standing) append(line, {span::text(" All verdicts are "), span::strong(to_string(*standing)), span::text(".")});
  if (std::any_of(records.begin(), records.end(), has_dagger))
    line.push_back(span::text(" †: part of the claim holds by arithmetic, in any weights."));
  line.push_back(span::text(" What is folded below is not printed."));
  return line;
}

}  // namespace

std::string report_title(const std::vector<Record>& records) {
  const auto names = models(records, [](const ModelRecord& model) { return model.name; });
  return "“" + paper().title + "”" + (names.empty() ? "" : " on " + enumerate(names));
}

Blocks answer_blocks(const std::vector<Record>& records) {
  if (records.empty()) return {paragraph({span::text("This run holds no records.")}, Role::lead)};
  Blocks blocks = {paragraph(facts(records), Role::facts)};
  append(blocks, warnings(records));
  if (const Line words = answer(records); !words.empty()) blocks.push_back(paragraph(words, Role::lead));
  blocks.push_back(paragraph(counts(records), Role::facts));
  if (chain_figure(records)) blocks.push_back(chain_steps(records));
  blocks.push_back(board(records));
  blocks.push_back(paragraph(legend(records), Role::note));
  return blocks;
}

}  // namespace replicate::report
