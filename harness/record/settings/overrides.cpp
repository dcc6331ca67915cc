#include "harness/record/settings/overrides.h"

#include <optional>
#include <vector>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/draft.h"
#include "harness/record/settings/prior_knowledge.h"

namespace replicate {
namespace {

/// Every key that --set knows, for suggestions.
std::vector<std::string> all_keys(const Draft& draft) {
  std::vector<std::string> keys = kRunKeys;
  for (const std::string& key : draft.survey.keys()) keys.push_back("survey." + key);
  for (const std::string& key : draft.training.keys()) keys.push_back("training." + key);
  for (const ClaimDraft& claim : draft.claims) {
    const std::string prefix = "claims." + claim.settings.id + ".";
    for (const std::string& key : claim.parameters.keys()) keys.push_back(prefix + key);
  }
  return keys;
}

/// What follows `start`, when `text` starts with it and goes on.
std::optional<std::string> after(const std::string& text, const std::string& start) {
  const bool fits = text.size() > start.size() && text.starts_with(start);
  return fits ? std::optional(text.substr(start.size())) : std::nullopt;
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
  if (contains(kRunKeys, key)) return set_run_key(draft.settings, key, value);
  if (const auto survey_key = after(key, "survey.")) return draft.survey.set(*survey_key, value);
  if (const auto training_key = after(key, "training.")) return override_training(draft, *training_key, value);
  const std::string inner = key.substr(std::string("claims.").size());
  const size_t dot = inner.find('.');
  find_claim(draft, inner.substr(0, dot))->parameters.set(inner.substr(dot + 1), value);
}

}  // namespace replicate
