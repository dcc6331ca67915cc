#include "harness/record/settings/validate.h"

#include "base/error.h"
#include "harness/record/error_rates.h"
#include "harness/record/settings/claim_settings.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/known_verdicts.h"
#include "harness/record/settings/model_settings.h"
#include "harness/record/settings/predictions.h"
#include "harness/record/settings/profile.h"
#include "harness/record/settings/registration.h"
#include "harness/record/settings/requirement_settings.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

template <typename Check>
void collect(std::vector<std::string>& findings, Check check) {
  try {
    check();
  } catch (const Error& error) {
    findings.emplace_back(error.what());
  }
}

std::vector<ClaimDraft> validate_claims(const fs::path& configs, std::vector<std::string>& findings) {
  std::vector<ClaimDraft> claims;
  collect(findings, [&] {
    const auto rules = read_judging_rules(configs);
    for (const std::string& name : names_in(configs / "claims")) {
      collect(findings, [&] { claims.push_back(read_claim(configs / "claims" / (name + ".yaml"), rules)); });
    }
  });
  return claims;
}

/// Applies every file of configs/<folder> to a fresh copy of the claims.
template <typename Apply>
void validate_folder(const fs::path& folder, const std::vector<ClaimDraft>& claims, std::vector<std::string>& findings,
                     Apply apply) {
  collect(findings, [&] {
    for (const std::string& name : names_in(folder)) {
      Draft draft;
      draft.claims = claims;
      collect(findings, [&] { apply(draft, Yaml::read(folder / (name + ".yaml")), name); });
    }
  });
}

}  // namespace

std::vector<std::string> validate_configs(const fs::path& configs) {
  std::vector<std::string> findings;
  std::vector<ClaimDraft> claims = validate_claims(configs, findings);
  collect(findings, [&] { read_arms(read_training(configs), claims); });
  if (!findings.empty()) return findings;  // what refers to the claims cannot be judged without them
  validate_folder(configs / "profiles", claims, findings, [&](Draft& draft, const Yaml& yaml, const std::string& name) {
    draft.training = read_training(configs);
    apply_profile(draft, yaml, name);
    read_named(configs / "models", "model", draft.model);
  });
  validate_folder(configs / "models", claims, findings,
                  [](Draft& draft, const Yaml& yaml, const std::string& name) { apply_model(draft, yaml, name, {}); });
  collect(findings, [&] { check_registered(configs, claims); });
  collect(findings, [&] { check_predictions(configs, claims); });
  collect(findings, [&] { check_known(configs, claims); });
  collect(findings, [&] { check_error_rates(configs, ids(claims)); });
  return findings;
}

}  // namespace replicate
