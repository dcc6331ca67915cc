#pragma once

#include "base/progress.h"
#include "harness/study/runner/claim_run.h"

namespace replicate {

/// Mechanism claims take minutes, training claims may take hours: these are taken out of `claims`, to come last.
std::vector<ClaimRun> take_training_claims(std::vector<ClaimRun>& claims);

/// Trains what the claims compare. False when the person interrupted it; what throws is every claim's error.
bool train_for(Session& session, std::vector<ClaimRun>& claims, Progress& progress);

/// The arms of all claims that are not futile.
std::vector<std::string> arms_of(const std::vector<ClaimRun>& claims);

/// Why a training claim comes to no verdict whatever it measures: hours need not be spent on that. Empty where it may.
std::string futility(Session& session, const ClaimSettings& settings);

}  // namespace replicate
