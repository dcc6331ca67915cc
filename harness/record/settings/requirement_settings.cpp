#include "harness/record/settings/requirement_settings.h"

#include <algorithm>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "base/number_text.h"
#include "harness/record/settings/config_files.h"

namespace replicate {
namespace {

constexpr const char* kAboveZero = "give a number above 0";
constexpr int64_t kLargestSample = 1'000'000;
constexpr int64_t kLargestVersion = 1000;
constexpr const char* kKeysOfAFamily[] = {"version", "stages",   "units",   "requires",      "missing_units",
                                          "checks",  "controls", "bearing", "contradicts_if"};

double read_above_zero(const Yaml& yaml, const std::string& remedy) {
  const double value = yaml.real();
  if (value <= 0) yaml.fail("is not above 0", remedy);
  return value;
}

double read_level(const Yaml& yaml) {
  const double level = read_above_zero(yaml, "give a one-sided probability below 0.5");
  if (level >= 0.5) yaml.fail("is not a level of a test", "give a one-sided probability below 0.5");
  return level;
}

StageRule read_stage_rule(const Yaml& yaml) {
  yaml.allow({"starts_at", "ends_below", "sink_excess"});
  const StageRule rule{read_above_zero(yaml.at("starts_at"), kAboveZero),
                       read_above_zero(yaml.at("ends_below"), kAboveZero),
                       read_above_zero(yaml.at("sink_excess"), kAboveZero)};
  if (rule.ends_below > rule.starts_at)
    yaml.fail("ends a stage where it starts", "let ends_below be at most starts_at");
  return rule;
}

SuperNeuronRule read_super_neuron_rule(const Yaml& yaml) {
  constexpr int64_t kMostNeurons = 1000;
  yaml.allow({"norm_z", "kurtosis", "selectivity", "else_largest"});
  return {read_above_zero(yaml.at("norm_z"), kAboveZero), read_above_zero(yaml.at("kurtosis"), kAboveZero),
          read_above_zero(yaml.at("selectivity"), kAboveZero), yaml.at("else_largest").integer(1, kMostNeurons)};
}

Criterion criterion_of(const Yaml& yaml) {
  return {filled_text(yaml.at("metric")), word_of<Operator>(yaml.at("op")), yaml.at("threshold").real(),
          filled_text(yaml.at("source"))};
}

Requirement read_check(const Yaml& yaml) {
  yaml.allow({"metric", "op", "threshold", "unmet", "source"});
  return {.criterion = criterion_of(yaml), .exact = true, .unmet = yaml.text_or("unmet", {})};
}

/// What all criteria of a claim have, unless they say otherwise.
struct Units {
  int64_t count = 0;
  bool missing_is_worst = false;
};

Units read_units(const Yaml& claim) {
  Units units{claim.at("units").integer(2, kLargestSample)};
  if (const auto missing = claim.find("missing_units")) {
    if (missing->text() != "worst") missing->fail("is not a way to count missing units", "say worst, or leave it out");
    units.missing_is_worst = true;
  }
  return units;
}

Requirement read_criterion_of(const Yaml& yaml, const Units& units) {
  yaml.allow({"metric", "op", "threshold", "source", "exact", "fails_at", "arithmetic", "optional", "units"});
  Requirement one{.criterion = criterion_of(yaml)};
  one.exact = yaml.flag_or("exact", false);
  one.arithmetic = yaml.flag_or("arithmetic", false);
  one.optional = yaml.flag_or("optional", false);
  if (const auto fails_at = yaml.find("fails_at")) {
    if (!one.exact) fails_at->fail("is only for exact numbers", "add exact: yes, or leave it out");
    one.fails_at = fails_at->real();
  }
  if (one.exact) return one;
  one.units = yaml.integer_or("units", units.count, 2, kLargestSample);
  one.missing_is_worst = units.missing_is_worst;
  return one;
}

Requirement read_requirement(const Yaml& yaml, const Units& units) {
  if (!yaml.has("of")) return read_criterion_of(yaml, units);
  yaml.allow({"name", "at_least", "of", "arithmetic", "optional"});
  Requirement group;
  group.name = filled_text(yaml.at("name"));
  group.arithmetic = yaml.flag_or("arithmetic", false);
  group.optional = yaml.flag_or("optional", false);
  group.members = read_list(yaml, "of", [&](const Yaml& member) {
    for (const std::string key : {"arithmetic", "optional"}) {
      if (const auto found = member.find(key)) {
        found->fail("is not allowed in a group", "take it out of the group");
      }
    }
    return read_requirement(member, units);
  });
  if (group.members.empty()) yaml.fail("has no members", "list what must hold under of:");
  if (const auto at_least = yaml.find("at_least")) {
    group.at_least = at_least->integer(1, static_cast<int64_t>(group.members.size()));
  }
  return group;
}

/// A requirement that decides and cannot hold is a slip: too few units for the level.
Requirement read_attainable(const Yaml& yaml, const Units& units, double level) {
  auto requirement = read_requirement(yaml, units);
  const double least = least_attainable_p(requirement);
  if (!requirement.arithmetic && least > level) {
    yaml.fail("can never hold: its units show a p of " + significant_text(least, 2) +
                  " at best, and the family's level is " + significant_text(level, 2),
              "give it more units");
  }
  return requirement;
}

JointControl read_joint_control(const Yaml& yaml) {
  yaml.allow({"metric", "of", "op", "fraction", "two_sided", "optional", "source"});
  JointControl control;
  control.metric = filled_text(yaml.at("metric"));
  control.of = filled_text(yaml.at("of"));
  control.op = word_of<Operator>(yaml.at("op"));
  control.fraction = read_above_zero(yaml.at("fraction"), "give the share of the effect that is too much");
  control.two_sided = yaml.flag_or("two_sided", false);
  control.optional = yaml.flag_or("optional", false);
  control.source = filled_text(yaml.at("source"));
  return control;
}

std::map<Verdict, Bearing> read_bearing(const Yaml& yaml) {
  yaml.allow({to_string(Verdict::pass), to_string(Verdict::fail)});
  std::map<Verdict, Bearing> bearing;
  for (const auto& [verdict, says] : yaml.entries()) bearing[from_string<Verdict>(verdict)] = word_of<Bearing>(says);
  return bearing;
}

double level_of(const Yaml& family, const JudgingRules& rules) {
  const auto found = rules.levels.find(family.text());
  if (found != rules.levels.end()) return found->second;
  std::vector<std::string> families;
  for (const auto& [name, level] : rules.levels) families.push_back(name);
  family.fail("is not a family of claims", did_you_mean(family.text(), families));
}

}  // namespace

std::string JudgingRules::fact_of(const std::string& claim) const {
  for (const auto& claims : one_fact) {
    if (contains(claims, claim)) return claims.front();
  }
  return {};
}

JudgingRules read_judging_rules(const std::filesystem::path& configs) {
  const auto yaml = Yaml::read(configs / "judging.yaml");
  yaml.allow({"levels", "stages", "super_neurons", "one_fact"});
  JudgingRules rules;
  for (const auto& [family, level] : yaml.at("levels").entries()) rules.levels[family] = read_level(level);
  rules.survey = {read_stage_rule(yaml.at("stages")), read_super_neuron_rule(yaml.at("super_neurons"))};
  rules.one_fact = read_list(yaml, "one_fact", [](const Yaml& claims) { return claims.texts(); });
  return rules;
}

std::optional<Requirements> read_requirements(const Yaml& claim, const JudgingRules& rules) {
  if (!claim.has("family")) {
    for (const std::string key : kKeysOfAFamily) {
      if (const auto found = claim.find(key)) found->fail("is only for claims with a family", "add family:");
    }
    return std::nullopt;
  }
  Requirements requirements;
  requirements.level = level_of(claim.at("family"), rules);
  const auto units = read_units(claim);
  const auto requirement = [&](const Yaml& yaml) { return read_attainable(yaml, units, requirements.level); };
  requirements.all = read_list(claim, "requires", requirement);
  if (requirements.all.empty()) claim.at("family").fail("is given, but nothing is required", "add requires:");
  if (std::ranges::all_of(requirements.all, &Requirement::optional)) {
    claim.at("requires").fail("has nothing that always applies", "make one requirement not optional");
  }
  requirements.checks = read_list(claim, "checks", read_check);
  requirements.controls = read_list(claim, "controls", read_joint_control);
  requirements.version = claim.at("version").integer(1, kLargestVersion);
  if (const auto stages = claim.find("stages")) requirements.stages = word_of<StageCalls>(*stages);
  if (const auto bearing = claim.find("bearing")) requirements.bearing = read_bearing(*bearing);
  requirements.contradicts_if = read_list(claim, "contradicts_if", requirement);
  return requirements;
}

}  // namespace replicate
