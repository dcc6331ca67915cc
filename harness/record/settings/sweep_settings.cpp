#include "harness/record/settings/sweep_settings.h"

#include "base/yaml.h"

namespace replicate {
namespace {

constexpr int64_t kDtypeSequences = 8;

/// "target: 5, natural.length: 64"
std::string changes_text(const ParameterTable& changed, const ParameterTable& plain, const SweepSettings& point) {
  std::vector<std::string> changes;
  if (point.bos) changes.push_back(std::string("bos: ") + (*point.bos ? "on" : "off"));
  if (point.seed) changes.push_back("seed: " + std::to_string(*point.seed));
  for (const Parameter& parameter : changed.parameters()) {
    if (parameter.values == plain.find(parameter.key)->values) continue;
    std::string values;
    for (const std::string& value : parameter.values) values += (values.empty() ? "" : " ") + value;
    changes.push_back(parameter.key + ": " + (parameter.list ? "[" + values + "]" : values));
  }
  std::string text;
  for (const std::string& change : changes) text += (text.empty() ? "" : ", ") + change;
  return text;
}

/// Not more judged sequences than the profile grants a sweep point.
void limit_sequences(ParameterTable& parameters, int64_t most, const Yaml& yaml) {
  const Parameter* judged_on = parameters.find("judged_on");
  const std::string key = (judged_on ? judged_on->values.front() : "natural") + ".sequences";
  const Parameter* sequences = parameters.find(key);
  if (!sequences) yaml.fail("cannot be sized", "give the claim's parameters " + key);
  if (as_integer(sequences->values.front()).value_or(0) <= most) return;
  parameters.set(key, Yaml::parse(std::to_string(most), "sweep_sequences", key));
}

/// One point of the claim's sweep: what all points change, then its own changes.
SweepSettings read_sweep_point(const ClaimDraft& claim, const std::string& suffix, const Yaml& changes,
                               int64_t most_sequences) {
  if (claim.parameters.find(suffix + ".sequences")) {
    changes.fail("has the name of a condition", "rename the sweep point");
  }
  SweepSettings point;
  point.suffix = suffix;
  ParameterTable common = claim.parameters;
  if (const auto each = claim.sweep->find("each")) common.merge(*each);
  limit_sequences(common, most_sequences, changes);
  ParameterTable own = common;
  for (const auto& [key, value] : changes.entries()) {
    if (key == "bos") {
      point.bos = value.flag();
    } else if (key == "seed") {
      point.seed = value.natural();
    } else {
      own.set(key, value);
    }
  }
  point.changes = changes_text(own, common, point);
  point.parameters = Parameters(own, claim.file);
  return point;
}

}  // namespace

std::vector<SweepSettings> read_sweep(const ClaimDraft& claim, int64_t most_sequences) {
  std::vector<SweepSettings> points;
  if (!claim.sweep || most_sequences == 0) return points;
  claim.sweep->allow({"each", "points"});
  for (const auto& [suffix, changes] : claim.sweep->at("points").entries()) {
    points.push_back(read_sweep_point(claim, suffix, changes, most_sequences));
  }
  return points;
}

void add_texts(ClaimDraft& claim, int64_t most_sequences, const std::vector<std::string>& texts) {
  const auto* judged_on = claim.parameters.find("judged_on");
  if (claim.settings.sweep.empty() || (judged_on && judged_on->values.front() != "natural")) return;
  for (const auto& text : texts) {
    auto point = read_sweep_point(claim, text, Yaml::parse("{}", "sweep_texts", text), most_sequences);
    point.text = text;
    point.changes = "text: " + text;
    claim.settings.sweep.push_back(std::move(point));
  }
}

std::optional<SweepSettings> dtype_check(const ClaimDraft& claim) {
  if (trains(claim)) return std::nullopt;
  ParameterTable few = claim.parameters;
  limit_sequences(few, kDtypeSequences, Yaml::parse(std::to_string(kDtypeSequences), "--dtype", "sequences"));
  SweepSettings check;
  check.suffix = "dtype";
  check.parameters = Parameters(few, claim.file);
  return check;
}

}  // namespace replicate
