#include "harness/record/error_rates.h"

#include <algorithm>

#include "base/did_you_mean.h"
#include "harness/record/settings/config_files.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostRuns = 1'000'000'000;

std::vector<ControlRates> control_rates(const Yaml& yaml) {
  std::vector<ControlRates> controls;
  for (const auto& [metric, of] : yaml.entries()) {
    of.allow({"runs", "fired"});
    const auto runs = of.at("runs").integer(0, kMostRuns);
    controls.push_back({metric, runs, of.at("fired").integer(0, runs)});
  }
  return controls;
}

ErrorRates error_rates(const Yaml& yaml) {
  (void)sha256_text(yaml.at("definition"));
  yaml.allow({"definition", "null_runs", "false_passes", "uninformative", "near_miss_runs", "near_miss_passes",
              "planted_runs", "missed", "controls"});
  const auto part_of = [&](const char* part, int64_t whole) { return yaml.at(part).integer(0, whole); };
  ErrorRates rates;
  rates.null_runs = part_of("null_runs", kMostRuns);
  rates.false_passes = part_of("false_passes", rates.null_runs);
  rates.planted_runs = part_of("planted_runs", kMostRuns);
  rates.missed = part_of("missed", rates.planted_runs);
  rates.uninformative = yaml.integer_or("uninformative", 0, 0, kMostRuns);
  rates.near_miss_runs = yaml.integer_or("near_miss_runs", 0, 0, kMostRuns);
  rates.near_miss_passes = yaml.integer_or("near_miss_passes", 0, 0, rates.near_miss_runs);
  if (const auto controls = yaml.find("controls")) rates.controls = control_rates(*controls);
  return rates;
}

}  // namespace

std::optional<Yaml> read_error_rates(const fs::path& configs) {
  return read_optional(configs / "calibration.yaml", {"claims"});
}

void add_error_rates(Settings& settings, const std::optional<Yaml>& calibration) {
  const auto claims = calibration ? calibration->find("claims") : std::nullopt;
  if (!claims) return;
  for (auto& claim : settings.claims) {
    const auto of_claim = claims->find(claim.id);
    if (!of_claim) continue;
    auto rates = error_rates(*of_claim);
    if (of_claim->at("definition").text() == claim.definition_sha256) claim.error_rates = std::move(rates);
  }
}

void check_error_rates(const fs::path& configs, const std::vector<std::string>& claims) {
  const auto calibration = read_error_rates(configs);
  const auto entries = calibration ? calibration->find("claims") : std::nullopt;
  if (!entries) return;
  for (const auto& [claim, entry] : entries->entries()) {
    (void)error_rates(entry);
    if (std::find(claims.begin(), claims.end(), claim) == claims.end())
      entry.fail("is not a claim", did_you_mean(claim, claims));
  }
}

}  // namespace replicate
