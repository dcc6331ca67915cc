#include "harness/record/settings/registration.h"

#include "base/did_you_mean.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/prior_knowledge.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestRegistered = 1000;

RegisteredDefinition read_definition(const Yaml& yaml) {
  yaml.allow({"version", "date", "definition", "golden"});
  (void)filled_text(yaml.at("golden"));  // for tests/register_test.py
  return {.version = yaml.at("version").integer(1, kLargestRegistered),
          .date = filled_text(yaml.at("date")),
          .definition_sha256 = filled_text(yaml.at("definition"))};
}

/// Whether the claim is measured and judged as its definition says: no other sizes, no other thresholds.
bool is_as_defined(const Draft& draft, const ClaimDraft& claim) {
  const auto survey = ParameterTable(Yaml::parse(kSurveyDefaults, "the survey's defaults"));
  return claim.parameters.yaml(0) == claim.own.yaml(0) && (trains(claim) || draft.survey.yaml(0) == survey.yaml(0));
}

}  // namespace

std::optional<Yaml> read_registered(const fs::path& configs) {
  return read_optional(configs / "registered.yaml", {"known_models", "claims"});
}

void apply_known_models(Draft& draft, const std::optional<Yaml>& registered) {
  if (registered) draft.known_models = registered->at("known_models").texts();
}

void apply_registration(Draft& draft, const std::optional<Yaml>& registered, bool own_inputs) {
  if (!registered) return;
  const Yaml claims = registered->at("claims");
  for (ClaimDraft& claim : draft.claims) {
    const auto entry = claims.find(claim.settings.id);
    if (!entry) continue;
    auto registration = read_definition(*entry);
    registration.as_registered = registration.version == version_of(claim.settings) &&
                                 registration.definition_sha256 == claim.settings.definition_sha256 && own_inputs &&
                                 is_as_defined(draft, claim);
    claim.settings.registration = registration;
    auto& calibration = claim.settings.calibration;
    if (calibration == kDefaultCalibration || calibration == kUnknownTraining) calibration = kRegisteredBefore;
  }
}

void check_registered(const fs::path& configs, const std::vector<ClaimDraft>& claims) {
  const auto registered = read_registered(configs);
  if (!registered) return;
  Draft draft;
  draft.claims = claims;
  for (const auto& [id, entry] : registered->at("claims").entries()) {
    (void)known_claim(draft, id, entry);
    (void)read_definition(entry);
  }
  const auto models = names_in(configs / "models");
  for (const Yaml& model : registered->at("known_models").items()) {
    if (!contains(models, model.text()))
      model.fail("is not a model in configs/models", did_you_mean(model.text(), models));
  }
}

}  // namespace replicate
