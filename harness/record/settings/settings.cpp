#include "harness/record/settings/settings.h"

#include "base/did_you_mean.h"
#include "base/error.h"
#include "harness/record/error_rates.h"
#include "harness/record/settings/claim_settings.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/identified_model.h"
#include "harness/record/settings/known_verdicts.h"
#include "harness/record/settings/model_path.h"
#include "harness/record/settings/model_settings.h"
#include "harness/record/settings/overrides.h"
#include "harness/record/settings/predictions.h"
#include "harness/record/settings/prior_knowledge.h"
#include "harness/record/settings/profile.h"
#include "harness/record/settings/recorded_run.h"
#include "harness/record/settings/registration.h"
#include "harness/record/settings/selection.h"
#include "harness/record/settings/sweep_settings.h"

namespace replicate {

/// In the order in which they are merged.
struct SettingsLayers {
  Draft draft;  ///< claims, training.yaml, profile and a model named under configs/models: merged
  std::vector<ModelFile> model_files;  ///< those that a model given by its path may be judged by
  std::optional<Yaml> recorded;
  SettingsRequest request;  ///< what the command line says
  std::optional<Yaml> known, registered, predictions, error_rates;
};

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

/// The path of a model that is given by it, else nothing.
std::optional<std::filesystem::path> load_model_layer(SettingsLayers& layers) {
  const auto& request = layers.request;
  const auto folder = request.configs / "models";
  const std::string model = request.model.empty() ? layers.draft.model : request.model;
  if (!is_model_path(model, folder)) {
    apply_named_model(layers.draft, model, request);
    return std::nullopt;
  }
  layers.draft.settings.model = model_from_path(model, request.assets);
  layers.model_files = read_model_files(folder);
  return layers.draft.settings.model.file;
}

Settings finish(Draft draft) {
  Settings settings = std::move(draft.settings);
  settings.survey = Parameters(draft.survey, "survey");
  settings.training = Parameters(draft.training, "training");
  for (ClaimDraft& claim : draft.claims) {
    claim.settings.parameters = Parameters(claim.parameters, claim.file);
    claim.settings.sweep = read_sweep(claim, settings.sweep_sequences);
    add_texts(claim, settings.sweep_sequences, settings.sweep_texts);
    if (settings.dtype != "float32") claim.settings.dtype_check = dtype_check(claim);
    settings.claims.push_back(std::move(claim.settings));
  }
  return settings;
}

}  // namespace

LoadedSettings load_settings(const SettingsRequest& request) {
  auto layers = std::make_shared<SettingsLayers>();
  layers->request = request;
  const auto rules = read_judging_rules(request.configs);
  layers->draft.settings.rules = rules.survey;
  layers->draft.claims = read_claims(request.configs, rules);
  layers->draft.training = read_training(request.configs);
  read_arms(layers->draft.training, layers->draft.claims);
  const std::string profile = request.profile.empty() ? kDefaultProfile : request.profile;
  apply_profile(layers->draft, read_named(request.configs / "profiles", "profile", profile), profile);
  layers->registered = read_registered(request.configs);
  apply_known_models(layers->draft, layers->registered);
  LoadedSettings loaded;
  loaded.unidentified = load_model_layer(*layers);
  if (request.recorded) layers->recorded = Yaml::read(*request.recorded);
  layers->known = read_known(request.configs);
  layers->predictions = read_predictions(request.configs);
  layers->error_rates = read_error_rates(request.configs);
  loaded.layers = std::move(layers);
  return loaded;
}

int64_t version_of(const ClaimSettings& claim) {
  return claim.judging.requirements ? claim.judging.requirements->version : 1;
}

Settings resolve(const LoadedSettings& loaded, const std::optional<ModelIdentity>& identity) {
  const SettingsLayers& layers = *loaded.layers;
  const SettingsRequest& request = layers.request;
  Draft draft = layers.draft;
  if (loaded.unidentified) apply_identity(draft, layers.model_files, identity, request.assets);
  apply_known(draft, layers.known);
  const auto own_bos = draft.settings.model.bos;
  if (!request.bos.empty()) draft.settings.model.bos = known_bos(request.bos);
  if (layers.recorded) apply_recorded(draft, *layers.recorded);
  const auto before = draft.training;
  for (const std::string& text : request.overrides) apply_override(draft, text);
  forget_lowest_loss(draft.training, before);
  if (request.seed) draft.settings.seed = *request.seed;
  if (!request.dtype.empty()) draft.settings.dtype = known_dtype(request.dtype);
  const bool own_inputs = draft.settings.seed == layers.draft.settings.seed && draft.settings.model.bos == own_bos &&
                          draft.settings.weight_noise == 0;
  apply_registration(draft, layers.registered, own_inputs);
  apply_predictions(draft, layers.predictions);
  if (request.only.empty() && request.by_default) {
    draft.settings.not_run =
        select_by_default(draft.claims, draft.settings.profile, draft.only, !request.model.empty());
  } else {
    select(draft.claims, request.only);
  }
  auto settings = finish(std::move(draft));
  add_error_rates(settings, layers.error_rates);
  return settings;
}

}  // namespace replicate
