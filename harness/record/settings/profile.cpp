#include "harness/record/settings/profile.h"

#include "harness/record/settings/config_files.h"
#include "harness/record/settings/draft.h"
#include "harness/record/settings/prior_knowledge.h"

namespace replicate {

void apply_profile(Draft& draft, const Yaml& yaml, const std::string& name) {
  yaml.allow({"name", "description", "caution", "calibration", "model", "only", "seed", "bootstrap_resamples",
              "batch_tokens", "sweep_sequences", "sweep_texts", "survey", "training", "claims"});
  check_name(yaml, "name", name);
  draft.settings.profile = name;
  draft.settings.caution = yaml.text_or("caution", {});
  draft.model = filled_text(yaml.at("model"));
  draft.only = yaml.text_or("only", {});
  for (const std::string& key : kRunKeys) {
    if (const auto value = yaml.find(key)) set_run_key(draft.settings, key, *value);
  }
  if (const auto survey = yaml.find("survey")) draft.survey.merge(*survey);
  if (const auto training = yaml.find("training")) {
    const auto before = draft.training;
    draft.training.merge(*training);
    forget_lowest_loss(draft.training, before);
  }
  if (const auto known = yaml.find("calibration")) set_calibration(draft, true, filled_text(*known), true);
  const auto claims = yaml.find("claims");
  if (!claims) return;
  for (const auto& [id, parameters] : claims->entries()) {
    known_claim(draft, id, parameters).parameters.merge(parameters);
  }
}

}  // namespace replicate
