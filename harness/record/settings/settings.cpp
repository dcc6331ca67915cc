#include "harness/record/settings/settings.h"

#include "base/did_you_mean.h"
#include "base/error.h"
#include "harness/record/registration.h"
#include "harness/record/settings/claim_settings.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/model_settings.h"
#include "harness/record/settings/overrides.h"
#include "harness/record/settings/profile.h"
#include "harness/record/settings/recorded_run.h"
#include "harness/record/settings/selection.h"
#include "harness/record/settings/sweep_settings.h"

namespace replicate {
namespace {

constexpr const char* kDefaultProfile = "cpu";

std::string known_dtype(const std::string& name) {
  const std::vector<std::string> known = {"float32", "bfloat16", "float16"};
  if (!contains(known, name))
    throw Error("unknown type of numbers " + in_quotes(name), "--dtype", did_you_mean(name, known));
  return name;
}

/// Nothing: up to the model.
std::optional<bool> known_bos(const std::string& name) {
  const std::vector<std::string> known = {"on", "off", "auto"};
  if (!contains(known, name)) throw Error("unknown use of BOS " + in_quotes(name), "--bos", "give on, off or auto");
  return name == "auto" ? std::nullopt : std::optional(name == "on");
}

Settings finish(Draft draft) {
  Settings settings = std::move(draft.settings);
  settings.survey = Parameters(draft.survey, "survey");
  settings.training = Parameters(draft.training, "training");
  for (ClaimDraft& claim : draft.claims) {
    claim.settings.parameters = Parameters(claim.parameters, claim.file);
    claim.settings.sweep = read_sweep(claim, settings.sweep_sequences);
    if (settings.dtype != "float32") claim.settings.dtype_check = dtype_check(claim);
    settings.claims.push_back(std::move(claim.settings));
  }
  return settings;
}

}  // namespace

Settings load_settings(const SettingsRequest& request) {
  Draft draft;
  draft.claims = read_claims(request.configs);
  draft.training = read_training(request.configs);
  read_arms(draft.training, draft.claims);
  const std::string profile = request.profile.empty() ? kDefaultProfile : request.profile;
  apply_profile(draft, read_named(request.configs / "profiles", "profile", profile), profile);
  choose_model(draft, request.model.empty() ? draft.model : request.model, request);
  if (!request.bos.empty()) draft.settings.model.bos = known_bos(request.bos);
  if (request.recorded) apply_recorded(draft, Yaml::read(*request.recorded));
  for (const std::string& text : request.overrides) apply_override(draft, text);
  if (request.seed) draft.settings.seed = *request.seed;
  if (!request.dtype.empty()) draft.settings.dtype = known_dtype(request.dtype);
  select(draft.claims, request.only);
  auto settings = finish(std::move(draft));
  add_registration(settings, request.configs);
  return settings;
}

}  // namespace replicate
