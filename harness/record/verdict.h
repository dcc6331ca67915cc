#pragma once

// From measurements and recorded thresholds to a verdict. Nothing here knows any claim.

#include "harness/record/requirement.h"

namespace replicate {

/// Behind a metric's name: how far products in a smaller type than float32 moved it.
inline constexpr const char* kDtypeError = "_dtype_error";

/// What a claim's YAML says about judging it.
struct Judging {
  ClaimKind kind = ClaimKind::mechanism;
  std::vector<Criterion> criteria;
  std::vector<Control> controls;
  int64_t minimum_n = 2;  ///< fewer units of sampling: inconclusive ("one sequence only")
  /// Metric and least value: on a smaller scale neither pass nor fail means anything, and the verdict is
  /// inconclusive ("4 tokens a parameter, 10 needed").
  std::vector<std::pair<std::string, double>> minimum_scale = {};
  std::vector<Prediction> rivals = {};
  /// Of claims of the second edition, which have no criteria and controls of the first: judged as requirement.h says.
  std::optional<Requirements> requirements = {};
};

struct Judgement {
  Verdict verdict = Verdict::error;
  std::string reason;  ///< one sentence: what decided it, with the numbers
  std::vector<Finding> criteria;
  std::vector<ControlFinding> controls;
  std::vector<RivalFinding> rivals;
  // Of the second edition.
  std::vector<Finding> checks = {};
  std::optional<Bearing> bearing = {};
  bool by_arithmetic = false;  ///< nothing that decides could have come out otherwise
};

/// Where a claim that is bound to a spike has its metrics.
inline std::map<std::string, int64_t> at_spike(int64_t layer) { return {{"spike", layer}}; }

/// The first metric with a name, and with all entries of `where`, is the one that is judged.
/// - Inputs that cannot answer the question: `not applicable`.
/// - A precondition the model does not meet: `fail` for a mechanism (`inconclusive` on one sequence only), `not
///   applicable` for an intervention on it, `inconclusive` for a training claim.
/// - A criterion passes when its interval lies wholly on the right side of the threshold, fails when wholly on the
///   wrong side, and is inconclusive when it straddles or has no interval (n below minimum_n).
/// - A criterion on a metric that comes with another of its name and `_dtype_error` is inconclusive when its margin is
///   smaller than that: products in a smaller type could have moved it over the threshold. So is a control, by its own
///   error and that of its limit together.
/// - A number that is not finite is never judged: a metric or a bound that is NaN or infinite does not exist, which is
///   inconclusive, and so is a control whose effect or limit is not finite.
/// - A control is negative when its interval stays below fraction * |effect|, fires when wholly outside, else
///   inconclusive; "not measured" where the measurement lacks it (--tokens has no null model).
/// - pass: all criteria pass and all controls are negative; fail: any criterion fails or control fires; else
///   inconclusive. Below the claim's minimum scale: inconclusive. No criteria at all: `descriptive`.
/// Claims of the second edition: inputs that cannot answer, or a precondition that the model does not meet, are `not
/// applicable`, and what was not trained is `not run`; everything else is as `rule` says. Predictions of rival accounts
/// are judged as criteria are, "not measured" where their metric is missing, and touch no verdict. A criterion, or a
/// control's effect, that is not in the measurement throws Error naming both.
Judgement judge(const Measurement& measurement, const Judging& judging,
                const std::map<std::string, int64_t>& where = {});

/// The criteria and controls of a claim of which nothing came yet, as in the record of an error.
std::vector<Finding> unjudged_criteria(const Judging& judging);
std::vector<ControlFinding> unjudged_controls(const Judging& judging);

/// The metrics that a verdict depends on.
std::set<std::string> judged_metrics(const Judging& judging);

/// sha256 over criteria and controls in canonical form: two runs with one hash were judged alike.
std::string thresholds_sha256(const Judging& judging);

}  // namespace replicate
