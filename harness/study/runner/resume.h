#pragma once

#include "base/run_folder.h"
#include "harness/study/runner/session.h"

namespace replicate {

/// Of all that a claim's measurement depends on: another model, seed, survey, parameter or token is another
/// fingerprint.
std::string fingerprint(Session& session, const ClaimSettings& settings);

/// The record in the folder if it measured just this. Judged again and with today's settings, since thresholds and
/// panels may have changed without touching what was measured.
std::optional<Record> finished(Session& session, const ClaimSettings& settings, const RunFolder& folder);

}  // namespace replicate
