#include <algorithm>

#include "reports/findings.h"
#include "reports/paper.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

using Role = Paragraph::Role;

std::string model_in_words(const ModelRecord& model) {
  std::vector<std::string> facts;
  if (!model.architecture.empty()) facts.push_back(model.architecture);
  if (model.layers > 0) facts.push_back(std::to_string(model.layers) + " layers");
  if (model.parameters > 0) facts.push_back(format_count(model.parameters) + " parameters");
  if (!model.quantization.empty() && model.quantization != "none") facts.push_back(model.quantization + " weights");
  return facts.empty() ? "" : " (" + join(facts, ", ") + ")";
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
  if ((*shortest)->length != (*longest)->length) words += " to " + std::to_string((*longest)->length);
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
  const auto machines = distinct(records, [](const Record& r) { return machine_in_words(r.environment); });
  const auto profiles = distinct(records, [](const Record& r) { return r.profile; });
  const auto of_profile = profiles.empty() ? "" : " of profile " + enumerate(profiles);
  Line line = {span::text("This run" + of_profile + " tested " + plural(records.size(), "claim") + " of "),
               span::strong("“" + paper().title + "”"), span::text(" (arXiv " + paper().arxiv + ") on "),
               span::strong(models_in_words(records)), span::text(join(facts, ";"))};
  line.push_back(span::text(", with " + inputs_in_words(records)));
  if (!machines.empty()) line.push_back(span::text(", on " + join(machines, "; ")));
  line.push_back(span::text(". The claims took " + format_seconds(total_seconds(records)) + ". The outcome: "));
  line.push_back(span::strong(describe(count_verdicts(records))));
  line.push_back(span::text("."));
  if (const auto evidence = evidence_note(records); !evidence.empty())
    append(line, {span::text(" What they say of the paper: "), span::strong(evidence), span::text(".")});
  return line;
}

bool is_null_model(const Record& record) { return record.model.reinitialised; }

}  // namespace

std::string report_title(const std::vector<Record>& records) {
  const std::string models = models_in_words(records);
  return "“" + paper().title + "”" + (models.empty() ? "" : " on " + models);
}

Blocks summary(const std::vector<Record>& records) {
  if (records.empty()) return {paragraph({span::text("This run holds no records.")}, Role::lead)};
  Blocks blocks = {paragraph(lead(records), Role::lead)};
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

}  // namespace replicate::report
