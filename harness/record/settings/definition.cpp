#include "harness/record/settings/definition.h"

#include <map>

#include "base/number_text.h"
#include "base/sha256.h"
#include "harness/record/settings/claim_settings.h"
#include "harness/record/settings/requirement_settings.h"
#include "harness/record/settings/sweep_settings.h"

namespace replicate {
namespace {

/// More than any claim has: no profile limits the variations of a definition.
constexpr int64_t kAllSequences = 1'000'000;

std::string units_text(const std::vector<Requirement>& requirements) {
  std::string text;
  for (const auto& one : requirements) {
    text += one.is_group() ? units_text(one.members) : "units " + std::to_string(one.units) + "\n";
  }
  return text;
}

std::string rules_text(const SurveyRules& rules) {
  std::string text = "survey " + ParameterTable(Yaml::parse(kSurveyDefaults, "the survey's defaults")).yaml(0);
  for (const double number : {rules.stages.starts_at, rules.stages.ends_below, rules.stages.sink_excess,
                              rules.super_neurons.norm_z, rules.super_neurons.kurtosis, rules.super_neurons.selectivity,
                              static_cast<double>(rules.super_neurons.else_largest)}) {
    text += significant_text(number, 17) + "\n";
  }
  return text;
}

}  // namespace

std::string definition_text(const ClaimDraft& claim, const SurveyRules& rules) {
  const auto& judging = claim.settings.judging;
  std::string text = "judged by " + thresholds_sha256(judging) + "\n";
  if (judging.requirements) text += units_text(judging.requirements->all);
  text += "parameters\n" + claim.own.yaml(0);
  for (const auto& variation : read_sweep(claim, kAllSequences)) {
    text += "variation " + variation.suffix + " " + variation.changes + "\n" + variation.parameters.yaml() + "\n";
  }
  if (claim.arms) {
    for (const auto& arm : claim.arms->texts()) text += "arm " + arm + "\n";
  }
  return text + rules_text(rules);
}

std::string definition_sha256(const ClaimDraft& claim, const SurveyRules& rules) {
  return sha256_hex(definition_text(claim, rules));
}

std::string definitions_yaml(const std::filesystem::path& configs) {
  std::map<std::string, std::string> lines;
  for (const auto& claim : read_claims(configs, read_judging_rules(configs))) {
    const auto& [id, sha256] = std::pair(claim.settings.id, claim.settings.definition_sha256);
    lines[id] = id + ": {version: " + std::to_string(version_of(claim.settings)) + ", definition: " + sha256 + "}\n";
  }
  std::string text;
  for (const auto& [id, line] : lines) text += line;
  return text;
}

}  // namespace replicate
