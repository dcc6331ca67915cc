// What would run, how long it would take here and how much memory. No claim is run, and nothing is written.

#include "harness/study/runner/cost_table.h"
#include "harness/study/runner/survey_stage.h"
#include "harness/study/runner/training_stage.h"

namespace replicate {
namespace {

constexpr double kLongestSurvey = 60;  // seconds that a person waits for an exact count

void add_training(Session& session, std::vector<ClaimRun>& claims, CostTable& table) {
  if (const auto missing = what_throws([&] { session.study(); }); !missing.empty()) {
    table.add_failure("training", missing);
    session.time_study();
  }
  const auto error = what_throws([&] {
    for (auto& claim : claims) {
      claim.futile = futility(session, *claim.settings);
      if (!claim.futile.empty()) table.add_failure(claim.settings->id, claim.futile);
    }
    const auto steps = session.study().steps_left(arms_of(claims));
    const double seconds = steps > 0 ? session.study().measured_step_seconds() : 0;
    table.add_training(session.study().results().tokens(steps),
                       static_cast<double>(steps) * session.study().step_flops(), static_cast<double>(steps) * seconds);
  });
  if (!error.empty()) table.add_failure("training", error);
}

}  // namespace

std::string dry_run(const RunRequest& request) {
  Session session(request);
  std::vector<ClaimRun> claims;
  for (const auto& settings : session.settings.claims) claims.push_back(start(session, settings));
  auto training = take_training_claims(claims);
  const double rate = measured_rate(*session.loaded.model, session.options);
  CostTable table(session.options, rate);
  const auto surveys = plan_surveys(session, claims, kLongestSurvey * rate);
  table.add("survey", surveys.plan);
  if (!surveys.error.empty()) table.add_failure("survey", surveys.error);
  double flops = estimate(surveys.plan, session.options).flops;
  Plan together;
  for (auto& claim : claims) {
    prepare(session, claim);
    if (!claim.error.empty()) {
      table.add_failure(claim.settings->id, claim.error);
      continue;
    }
    table.add(claim.settings->id, claim.plan);
    if (claim.looks_only()) {
      together.insert(together.end(), claim.plan.begin(), claim.plan.end());
    } else {
      flops += claim.flops;
    }
  }
  if (session.given.judged) {
    for (const auto& claim : training)
      table.add_failure(claim.settings->id, "not run: given inputs say nothing about training");
  } else if (!training.empty()) {
    add_training(session, training, table);
  }
  const auto& not_run = session.settings.not_run;
  return table.text(flops + estimate(together, session.options).flops, surveys.made) +
         (not_run.empty() ? "" : not_run + "\n");
}

}  // namespace replicate
