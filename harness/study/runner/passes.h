#pragma once

#include "base/progress.h"
#include "base/run_folder.h"
#include "harness/study/runner/claim_run.h"

namespace replicate {

/// Runs one plan. False when the person interrupted it.
bool pass(const Session& session, const Plan& plan, const std::string& stage, Progress& progress);

/// Runs and records the claims: those that only observe in one pass together, then each of the others alone. A
/// claim's own errors are caught. An `Error` beyond those, such as a record that cannot be written, becomes the
/// outcome's failure.
RunOutcome run_passes(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress);

/// What is recorded so far.
RunOutcome outcome(const Session& session, bool interrupted);

}  // namespace replicate
