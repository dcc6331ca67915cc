#include "harness/record/settings/predictions.h"

#include <cmath>

#include "base/did_you_mean.h"
#include "harness/record/settings/config_files.h"

namespace replicate {
namespace {

constexpr int64_t kLargestPredictedVersion = 1000;
constexpr const char* kForecasters[] = {"paper", "smollm2", "rivals"};
constexpr size_t kOutcomes = 3;  // pass, fail, inconclusive

int64_t version_in(const Yaml& prediction) { return prediction.at("version").integer(1, kLargestPredictedVersion); }

void check_probabilities(const Yaml& list) {
  double sum = 0;
  for (const Yaml& probability : list.items()) {
    sum += probability.real();
    if (probability.real() < 0) probability.fail("is below 0", "give a probability");
  }
  if (list.items().size() != kOutcomes || std::abs(sum - 1) > 1e-9)
    list.fail("is not a distribution", "give the probabilities of pass, fail and inconclusive, which sum to 1");
}

void check_model(const Yaml& model, const std::vector<std::string>& profiles, Draft& draft) {
  model.allow({"date", "sha256", "profile", "smollm2_commit", "claims"});
  for (const auto* key : {"date", "smollm2_commit"}) (void)filled_text(model.at(key));
  (void)sha256_text(model.at("sha256"));
  if (const Yaml profile = model.at("profile"); !contains(profiles, profile.text()))
    profile.fail("is not a profile", did_you_mean(profile.text(), profiles));
  for (const auto& [id, prediction] : model.at("claims").entries()) {
    (void)known_claim(draft, id, prediction);
    prediction.allow({"version", "paper", "smollm2", "rivals"});
    (void)version_in(prediction);
    for (const auto* forecaster : kForecasters) check_probabilities(prediction.at(forecaster));
  }
}

}  // namespace

std::optional<Yaml> read_predictions(const std::filesystem::path& configs) {
  return read_optional(configs / "predictions.yaml", {"models"});
}

void apply_predictions(Draft& draft, const std::optional<Yaml>& predictions) {
  if (!predictions) return;
  for (const auto& [name, model] : predictions->at("models").entries()) {
    if (model.at("profile").text() != draft.settings.profile) continue;
    for (ClaimDraft& claim : draft.claims) {
      const auto prediction = model.at("claims").find(claim.settings.id);
      if (prediction && version_in(*prediction) == version_of(claim.settings))
        claim.settings.predicted_models.push_back(sha256_text(model.at("sha256")));
    }
  }
}

void check_predictions(const std::filesystem::path& configs, const std::vector<ClaimDraft>& claims) {
  const auto predictions = read_predictions(configs);
  if (!predictions) return;
  Draft draft;
  draft.claims = claims;
  const auto profiles = names_in(configs / "profiles");
  for (const auto& [name, model] : predictions->at("models").entries()) check_model(model, profiles, draft);
}

}  // namespace replicate
