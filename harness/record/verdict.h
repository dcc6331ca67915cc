#pragma once

// From measurements and what a claim requires to a verdict. Nothing here knows any claim.

#include "harness/record/requirement.h"

namespace replicate {

/// Behind a metric's name: how far products in a smaller type than float32 moved it.
inline constexpr const char* kDtypeError = "_dtype_error";

/// What a claim's YAML says about judging it.
struct Judging {
  ClaimKind kind = ClaimKind::mechanism;
  std::optional<Requirements> requirements = {};  ///< nothing: the claim describes, and judges nothing
};

struct Judgement {
  Verdict verdict = Verdict::error;
  std::string reason;  ///< one sentence: what decided it, with the numbers
  std::vector<Finding> criteria = {}, checks = {};
  std::vector<ControlFinding> controls = {};
  std::optional<Bearing> bearing = {};  ///< nothing where nothing is judged
  bool by_arithmetic = false;           ///< nothing that decides could have come out otherwise
};

/// Where a claim that is bound to a spike has its metrics.
inline std::map<std::string, int64_t> at_spike(int64_t layer) { return {{"spike", layer}}; }

/// The first metric with a name, and with all entries of `where`, is the one that is judged.
/// - Inputs that cannot answer the question, or a precondition that the model does not meet: `not applicable`; of what
///   was not trained: `not run`.
/// - No requirements: `descriptive`.
/// - Too few sequences were given: `inconclusive`.
/// - Everything else is as `rule` says.
Judgement judge(const Measurement& measurement, const Judging& judging,
                const std::map<std::string, int64_t>& where = {});

/// The criteria and controls of a claim of which nothing came yet, as in the record of an error.
std::vector<Finding> unjudged_criteria(const Judging& judging);
std::vector<ControlFinding> unjudged_controls(const Judging& judging);

/// The metrics that a verdict depends on.
std::set<std::string> judged_metrics(const Judging& judging);

/// sha256 over all that decides a verdict in canonical form: two runs with one hash were judged alike.
std::string thresholds_sha256(const Judging& judging);

}  // namespace replicate
