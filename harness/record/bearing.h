#pragma once

// What verdicts say of the paper. A verdict is about a claim's criteria on one model; its bearing is whether that
// speaks for the paper, against it, or not at all, and its standing is whether the claim could have been a surprise.

#include <map>
#include <string>
#include <vector>

#include "harness/record/requirement.h"

namespace replicate {

/// A pass supports and a fail contradicts, unless the claim says otherwise for that verdict. What holds by arithmetic,
/// what fails by a control alone or without what the claim asks of a contradiction, and every other verdict is silent.
Bearing bearing_of(const Ruling& ruling, const std::map<Verdict, Bearing>& otherwise = {});

/// One claim's part of the evidence.
struct ClaimEvidence {
  std::string claim;
  Verdict verdict = Verdict::error;
  Standing standing = Standing::unregistered;
  Bearing bearing = Bearing::silent;
  std::string fact = {};  ///< that it looks at; empty: its own
};

/// Pieces of evidence, not claims.
struct EvidenceCount {
  int64_t supports = 0, contradicts = 0, silent = 0;
  int64_t inconclusive = 0, by_arithmetic = 0;  ///< of those that are silent
  int64_t confirmatory = 0;                     ///< of those that are not
};

/// Claims that look at one fact count once: as contradicting if one of them contradicts, else as supporting if one
/// supports. A claim without a verdict (not applicable, not run, an error) counts as silent.
EvidenceCount count_evidence(const std::vector<ClaimEvidence>& claims);

/// "supports 4, contradicts 3, silent 9 (6 inconclusive, 3 by arithmetic); confirmatory 0"
std::string evidence_line(const EvidenceCount& count);

}  // namespace replicate
