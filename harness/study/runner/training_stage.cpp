#include "harness/study/runner/training_stage.h"

#include <algorithm>

namespace replicate {

std::vector<ClaimRun> take_training_claims(std::vector<ClaimRun>& claims) {
  const auto first =
      std::stable_partition(claims.begin(), claims.end(), [](const ClaimRun& claim) { return !claim.trains(); });
  std::vector<ClaimRun> training(std::make_move_iterator(first), std::make_move_iterator(claims.end()));
  claims.erase(first, claims.end());
  return training;
}

bool train_for(Session& session, std::vector<ClaimRun>& claims, Progress& progress) {
  if (session.given.judged) {
    for (auto& claim : claims) claim.inapplicable = "given inputs say nothing about training";
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
  const auto& requirements = settings.judging.requirements;
  const auto seeds = session.settings.training.integer("seeds.baseline");
  const auto needed = requirements ? fewest_units(*requirements) : 0;
  if (seeds >= needed) return {};
  return "not trained: the baseline has " + std::to_string(seeds) + " seeds and needs " + std::to_string(needed);
}

}  // namespace replicate
