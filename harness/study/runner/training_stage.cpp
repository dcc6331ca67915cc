#include "harness/study/runner/training_stage.h"

#include <algorithm>
#include <cstdio>

namespace replicate {
namespace {

/// The part of a minimum_scale that is known beforehand.
constexpr const char* kTokensPerParameter = "tokens_per_parameter";

int64_t units_needed(const Judging& judging) {
  if (judging.requirements) return fewest_units(*judging.requirements);
  return judging.criteria.empty() ? 0 : judging.minimum_n;
}

}  // namespace

std::vector<ClaimRun> take_training_claims(std::vector<ClaimRun>& claims) {
  const auto first =
      std::stable_partition(claims.begin(), claims.end(), [](const ClaimRun& claim) { return !claim.trains(); });
  std::vector<ClaimRun> training(std::make_move_iterator(first), std::make_move_iterator(claims.end()));
  claims.erase(first, claims.end());
  return training;
}

bool train_for(Session& session, std::vector<ClaimRun>& claims, Progress& progress) {
  if (session.given.judged) {
    for (auto& claim : claims) claim.inapplicable = "--tokens: the given ids say nothing of training";
    return true;
  }
  bool whole = true;
  const auto error = what_throws([&] {
    for (auto& claim : claims) claim.futile = futility(session, *claim.settings);
    const auto arms = arms_of(claims);
    if (!arms.empty()) whole = session.study().train(arms, progress);
  });
  for (auto& claim : claims) {
    if (claim.error.empty()) claim.error = error;
    if (error.empty()) claim.judged.context.training = &session.study().results();
  }
  return whole;
}

std::vector<std::string> arms_of(const std::vector<ClaimRun>& claims) {
  std::vector<std::string> all;
  for (const auto& claim : claims) {
    if (!claim.futile.empty()) continue;
    const auto& arms = claim.settings->arms;
    all.insert(all.end(), arms.begin(), arms.end());
  }
  return all;
}

std::string futility(Session& session, const ClaimSettings& settings) {
  if (session.settings.training.flag("even_if_inconclusive")) return {};
  const auto seeds = planned_units(session, settings), needed = units_needed(settings.judging);
  if (seeds < needed) {
    return "not trained: " + std::to_string(seeds) + " seeds of the baseline, " + std::to_string(needed) + " needed";
  }
  const auto& planned = session.study().results();
  const double scale = planned.tokens(planned.steps) / static_cast<double>(parameters(planned.config));
  for (const auto& [name, least] : settings.judging.minimum_scale) {
    if (name != kTokensPerParameter || scale >= least) continue;
    char text[100];
    std::snprintf(text, sizeof text, "not trained: %.3g tokens a parameter, %.3g needed", scale, least);
    return text;
  }
  return {};
}

int64_t planned_units(const Session& session, const ClaimSettings& settings) {
  if (settings.judging.kind == ClaimKind::training) return session.settings.training.integer("seeds.baseline");
  if (session.given.judged) return session.given.judged->sequences();
  const auto& parameters = settings.parameters;
  return parameters.integer((parameters.has("judged_on") ? parameters.text("judged_on") : "natural") + ".sequences");
}

}  // namespace replicate
