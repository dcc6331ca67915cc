#include "harness/record/settings/overrides.h"

#include <optional>
#include <vector>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/draft.h"
#include "harness/record/settings/judging_settings.h"
#include "harness/record/settings/prior_knowledge.h"

namespace replicate {
namespace {

constexpr const char* kCommandLineSource = "--set on the command line";
constexpr const char* kOverriddenCalibration = "a threshold was changed on the command line";

/// Every key that --set knows, for suggestions.
std::vector<std::string> all_keys(const Draft& draft) {
  std::vector<std::string> keys = kRunNumbers;
  for (const std::string& key : draft.survey.keys()) keys.push_back("survey." + key);
  for (const std::string& key : draft.training.keys()) keys.push_back("training." + key);
  for (const ClaimDraft& claim : draft.claims) {
    const std::string prefix = "claims." + claim.settings.id + ".";
    for (const std::string& key : claim.parameters.keys()) keys.push_back(prefix + key);
    for (const Criterion& criterion : claim.settings.judging.criteria) {
      keys.push_back(prefix + "criteria." + criterion.metric + ".threshold");
    }
    for (const Control& control : claim.settings.judging.controls) {
      keys.push_back(prefix + "controls." + control.metric + ".fraction");
    }
  }
  return keys;
}

/// The middle of `text` when it starts and ends as given.
std::optional<std::string> between(const std::string& text, const std::string& start, const std::string& end) {
  const bool fits = text.size() > start.size() + end.size() && text.starts_with(start) && text.ends_with(end);
  if (!fits) return std::nullopt;
  return text.substr(start.size(), text.size() - start.size() - end.size());
}

void override_claim(ClaimDraft& claim, const std::string& key, const Yaml& value) {
  Judging& judging = claim.settings.judging;
  if (const auto criterion = between(key, "criteria.", ".threshold")) {
    set_threshold(criterion_on(judging, *criterion, value), value, kCommandLineSource);
    claim.settings.calibration = kOverriddenCalibration;
  } else if (const auto control = between(key, "controls.", ".fraction")) {
    set_fraction(control_on(judging, *control, value), value, kCommandLineSource);
    claim.settings.calibration = kOverriddenCalibration;
  } else {
    claim.parameters.set(key, value);
  }
}

void override_training(Draft& draft, const std::string& key, const Yaml& value) {
  draft.training.set(key, value);
  key == kLowestKnownLoss ? forget_expected_verdicts(draft) : forget_training(draft);
}

}  // namespace

void apply_override(Draft& draft, const std::string& text) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals), place = "--set " + text;
  if (equals == std::string::npos || equals + 1 == text.size()) {
    throw Error("no value for " + in_quotes(key), place, "write --set key=value");
  }
  const std::vector<std::string> keys = all_keys(draft);
  if (!contains(keys, key)) {
    throw Error("unknown key " + in_quotes(key), place, did_you_mean(key, keys));
  }
  const Yaml value = Yaml::parse(text.substr(equals + 1), place, key);
  if (contains(kRunNumbers, key)) return set_run_number(draft.settings, key, value);
  if (const auto survey_key = between(key, "survey.", "")) return draft.survey.set(*survey_key, value);
  if (const auto training_key = between(key, "training.", "")) return override_training(draft, *training_key, value);
  const std::string inner = key.substr(std::string("claims.").size());
  const size_t dot = inner.find('.');
  override_claim(*find_claim(draft, inner.substr(0, dot)), inner.substr(dot + 1), value);
}

}  // namespace replicate
