#include "harness/record/settings/model_settings.h"

#include "base/error.h"
#include "base/text_file.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/draft.h"
#include "harness/record/settings/model_shape.h"
#include "harness/record/settings/prior_knowledge.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

void apply_model_claim(ClaimDraft& claim, const Yaml& yaml) {
  yaml.allow({"parameters", "calibration"});  // a model changes no definition
  claim.settings.calibration = yaml.text_or("calibration", claim.settings.calibration);
  if (const auto parameters = yaml.find("parameters")) {
    claim.parameters.merge(*parameters);
    claim.own.merge(*parameters);
  }
}

ModelSettings read_model(const Yaml& yaml, const std::string& name, const fs::path& assets) {
  yaml.allow({"name", "description", "file", "identity", "shape", "sha256", "licence", "consent", "source", "bos",
              "reinitialised", "calibration", "claims"});
  check_name(yaml, "name", name);
  ModelSettings model;
  model.name = name;
  if (const auto identity = yaml.find("identity")) {
    (void)has_identity({}, *identity);  // what is wrong with it shows in `validate`
  } else {
    model.file = assets / filled_text(yaml.at("file"));
  }
  if (const auto shape = yaml.find("shape")) (void)has_shape({}, *shape);
  model.reinitialised = yaml.flag_or("reinitialised", false);
  if (const auto sha256 = yaml.find("sha256")) model.sha256 = sha256_text(*sha256);
  if (const auto bos = yaml.find("bos")) model.bos = bos->flag();
  model.licence = yaml.text_or("licence", {});
  model.consent = yaml.text_or("consent", {});
  model.source = yaml.text_or("source", {});
  return model;
}

void require_consent(const ModelSettings& model, const std::vector<std::string>& accepted) {
  if (model.consent.empty() || contains(accepted, model.consent)) return;
  throw Error("the model " + model.name + " has its own licence: " + model.licence, "--model " + model.name,
              "read it, then add --accept-licence " + model.consent);
}

}  // namespace

void apply_model(Draft& draft, const Yaml& yaml, const std::string& name, const fs::path& assets) {
  draft.settings.model = read_model(yaml, name, assets);
  if (const auto known = yaml.find("calibration")) set_calibration(draft, false, filled_text(*known), false);
  if (is_known_model(draft, yaml, name)) set_calibration(draft, false, kKnownModel, true);
  const auto claims = yaml.find("claims");
  if (!claims) return;
  for (const auto& [id, changes] : claims->entries()) {
    apply_model_claim(known_claim(draft, id, changes), changes);
  }
}

bool is_model_path(const std::string& model, const fs::path& folder) {
  const bool looks_like_path = model.find('/') != std::string::npos || fs::path(model).extension() == ".gguf";
  return !contains(names_in(folder), model) && (looks_like_path || is_there(model));
}

void apply_named_model(Draft& draft, const std::string& model, const SettingsRequest& request) {
  apply_model(draft, read_named(request.configs / "models", "model", model), model, request.assets);
  if (draft.settings.model.file.empty()) {
    throw Error("the weights of " + model + " do not come with this project", "--model " + model,
                "name their folder or file with --model PATH; its shape tells which model it is");
  }
  require_consent(draft.settings.model, request.accepted_licences);
}

}  // namespace replicate
