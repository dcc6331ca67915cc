#include "harness/record/registration.h"

#include <algorithm>

#include "base/did_you_mean.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostRuns = 1'000'000'000;

/// A file of configs with these groups at its top; nothing where there is none.
std::optional<Yaml> read_if_there(const fs::path& file, const std::vector<std::string>& groups) {
  if (!fs::exists(file)) return std::nullopt;
  auto yaml = Yaml::read(file);
  yaml.allow(groups);
  return yaml;
}

/// What stands under a path of keys, if anything.
std::optional<Yaml> find(std::optional<Yaml> yaml, const std::vector<std::string>& keys) {
  for (const auto& key : keys) {
    if (yaml) yaml = yaml->find(key);
  }
  return yaml;
}

RegisteredClaim registered_claim(const Yaml& yaml) {
  yaml.allow({"run", "profile", "thresholds_sha256", "verdict", "effect_sizes"});
  RegisteredClaim claim{{.run = yaml.at("run").text(),
                         .profile = yaml.at("profile").text(),
                         .thresholds_sha256 = yaml.at("thresholds_sha256").text(),
                         .verdict = from_string<Verdict>(yaml.at("verdict").text())},
                        {}};
  for (const auto& [metric, size] : yaml.at("effect_sizes").entries())
    claim.effect_sizes.emplace_back(metric, size.real());
  return claim;
}

ErrorRates error_rates(const Yaml& yaml) {
  yaml.allow({"null_runs", "false_passes", "planted_runs", "missed"});
  const auto part_of = [&](const char* part, int64_t whole) { return yaml.at(part).integer(0, whole); };
  ErrorRates rates;
  rates.null_runs = part_of("null_runs", kMostRuns);
  rates.false_passes = part_of("false_passes", rates.null_runs);
  rates.planted_runs = part_of("planted_runs", kMostRuns);
  rates.missed = part_of("missed", rates.planted_runs);
  return rates;
}

/// Reads each entry of a group and holds its key against the claims.
template <typename Read>
void check_entries(const std::optional<Yaml>& group, const std::vector<std::string>& claims, const Read& read) {
  if (!group) return;
  for (const auto& [claim, entry] : group->entries()) {
    (void)read(entry);
    if (std::find(claims.begin(), claims.end(), claim) == claims.end())
      entry.fail("is no claim", did_you_mean(claim, claims));
  }
}

}  // namespace

RegisteredFiles read_registration(const fs::path& configs) {
  return {.registered = read_if_there(configs / "registered.yaml", {"models", "profiles"}),
          .calibration = read_if_there(configs / "calibration.yaml", {"claims"})};
}

void add_registration(Settings& settings, const RegisteredFiles& registration) {
  for (auto& claim : settings.claims) {
    const bool trains = claim.judging.kind == ClaimKind::training;
    const auto run = trains ? find(registration.registered, {"profiles", settings.profile, claim.id})
                            : find(registration.registered, {"models", settings.model.name, claim.id});
    if (run) claim.registered = registered_claim(*run);
    if (const auto of_claim = find(registration.calibration, {"claims", claim.id}))
      claim.error_rates = error_rates(*of_claim);
  }
}

void check_registration(const fs::path& configs, const std::vector<std::string>& claims) {
  const auto [registered, calibration] = read_registration(configs);
  check_entries(find(calibration, {"claims"}), claims, error_rates);
  for (const std::string kind : {"models", "profiles"}) {
    const auto group = find(registered, {kind});
    if (!group) continue;
    for (const auto& [name, entries] : group->entries())
      check_entries(std::optional(entries), claims, registered_claim);
  }
}

}  // namespace replicate
