#pragma once

#include "base/progress.h"
#include "base/run_folder.h"
#include "harness/study/runner/claim_run.h"
#include "harness/study/surveyor.h"

namespace replicate {

/// Runs the survey, or reads what an earlier run of the folder found. False when the person interrupted it. What its
/// pass throws, of damaged weights or numbers out of range, would stop every claim about this model and becomes the
/// error of each: claims about training still run.
bool survey(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress);

Lane survey_lane(Session& session, const Surveyor& surveyor);

/// What --dry-run plans with, since nothing is measured there.
Survey assumed_survey(const Session& session);

}  // namespace replicate
