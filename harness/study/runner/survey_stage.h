#pragma once

#include <set>

#include "base/progress.h"
#include "base/run_folder.h"
#include "harness/study/runner/claim_run.h"
#include "harness/study/surveyor.h"

namespace replicate {

/// Runs the surveys that the claims need, or reads what an earlier run of the folder found. False when the person
/// interrupted it. What its pass throws, of damaged weights or numbers out of range, would stop every claim about this
/// model and becomes the error of each: claims about training still run.
bool survey(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress);

/// What the claims' attempts are bound to, each once.
std::set<SurveyInputs> surveys_of(Session& session, const std::vector<ClaimRun>& claims);

/// The rules' numbers, as a part of a fingerprint.
std::string text_of(const SurveyRules& rules);

Lane survey_lane(Session& session, const SurveyInputs& inputs, const Surveyor& surveyor);

/// The surveys of --dry-run.
struct PlannedSurveys {
  Plan plan;
  bool made = false;       ///< else layers are assumed
  std::string error = {};  ///< why they could not be made, if so
};

/// Makes the surveys where that costs at most `most_flops`, because what a claim runs depends on the stages that they
/// find. Assumes one stage otherwise, and where the pass throws.
PlannedSurveys plan_surveys(Session& session, const std::vector<ClaimRun>& claims, double most_flops);

}  // namespace replicate
