#pragma once

// What a claim requires, and how sure the data are of it. A criterion is tested on its per-unit values at
// the level of the claim's family; criteria combine into groups of which all, or some, must hold; a control is compared
// with its effect unit by unit. Nothing here knows any claim.

#include <set>

#include "harness/record/record.h"

namespace replicate {

/// A criterion, or a group of requirements.
struct Requirement {
  Criterion criterion = {};             ///< where there are no members
  bool exact = false;                   ///< of a number without sampling: it is met or it is not
  std::optional<double> fails_at = {};  ///< an exact number that is neither met nor past this one is open
  bool arithmetic = false;              ///< holds in any weights or by definition, so it decides nothing
  bool optional = false;          ///< is left out where a claim does not measure it, since it does not apply there
  int64_t units = 0;              ///< of sampling, as registered; 0 for exact numbers
  bool missing_is_worst = false;  ///< a unit without a value counts against the criterion, else it leaves it open

  std::string name = {};  ///< of a group
  std::vector<Requirement> members = {};
  std::optional<int64_t> at_least = {};  ///< so many members must hold; nothing: all

  std::string unmet = {};  ///< of a check: what it means that it is unmet

  bool is_group() const { return !members.empty(); }
};

/// A control must stay below `fraction` of its effect. Both are changes of the judged quantity against the untouched
/// pass, unit by unit, in the direction that `op` names.
struct JointControl {
  std::string metric, of;
  Operator op = Operator::above;
  double fraction = 0.2;
  bool two_sided = false;  ///< a change in the other direction counts as well
  bool optional = false;   ///< is left out where a claim does not measure it, since it does not apply there
  std::string source = {};
};

/// All that a claim's YAML says of judging it.
struct Requirements {
  double level = 0;  ///< one-sided, of the claim's family
  std::vector<Requirement> all;
  std::vector<Requirement> checks;  ///< that the intervention took; point estimates
  std::vector<JointControl> controls;
  int64_t version = 1;  ///< of the definition
  StageCalls stages = StageCalls::once;
  std::map<Verdict, Bearing> bearing = {};  ///< where a pass does not support, or a fail not contradict
  std::vector<Requirement> contradicts_if =
      {};  ///< a fail contradicts only if all of these hold; empty: whenever it fails
};

/// What the data say of one requirement or control.
struct Tested {
  std::string name;  ///< of the metric or the group
  Outcome outcome = Outcome::unjudged;
  double p = 1;         ///< that it holds by chance
  double opposite = 1;  ///< that it fails by chance
  std::string clause = {};
  bool arithmetic = false;
  bool too_few_units = false;  ///< for the level, whatever their values
  std::vector<Tested> members = {};
};

struct Ruling {
  Verdict verdict = Verdict::inconclusive;
  std::string reason;
  std::vector<Tested> requirements, checks, controls;
  bool by_arithmetic = false;       ///< no requirement is left that could have come out otherwise
  bool by_a_control_alone = false;  ///< it fails, and no requirement does
  bool may_contradict = true;       ///< what a contradiction needs beside a fail is there
};

/// The metrics of a measurement that are judged: those that carry all entries of `where` (a stage's spike).
struct Judged {
  const Measurement& measurement;
  std::map<std::string, int64_t> where = {};

  const Metric* metric(const std::string& name) const;
  const Samples* samples(const std::string& name) const;  ///< of `metric(name)`
};

/// - A criterion with samples: Hall's transformed t test of their mean against the threshold (base/mean_test.h). Where
///   the claim says so, a missing unit (NaN: a run that diverged) has the value of the threshold or of the worst other
///   unit, whichever is worse.
/// - An exact criterion is met or not met; between its threshold and `fails_at` it is open.
/// - A group of which all must hold has the largest p of its members, and the smallest of their opposites. One of which
/// u
///   of n must hold has (n - u + 1) times the u-th smallest p, and u times the (n - u + 1)-th smallest opposite
///   (partial conjunction: Benjamini and Heller 2008, with Bonferroni's bound).
/// - What is not finite, has no per-unit values, has too few of them for the level, or is nearer to its threshold than
/// the error of a smaller --dtype is open. `pass` has p <= level and `fail` has opposite <= level. Error where a metric
/// was not measured at all.
Tested test(const Judged& judged, const Requirement& requirement, double level);

/// Per unit d = s (control - fraction effect), s the sign of the direction; negative: d < 0 at the level; fires: d > 0.
/// Paired where both come from the same units, else Welch's test of the two means. Two-sided: s control in either sign.
Tested test(const Judged& judged, const JointControl& control, double level);

/// - A check that is unmet: inconclusive, with what that means (if the claim does not say: the intervention did not
///   take), after the criteria that have too few units.
/// - pass: every requirement passes and every control is negative; fail: a requirement fails or a control fires; else
///   inconclusive, with the remark that 95% is reached where every p is at most 0.025.
/// Requirements that hold by arithmetic decide only where there are no others. An optional requirement or control that
/// was not measured decides nothing.
Ruling rule(const Judged& judged, const Requirements& requirements);

/// The metrics that the verdict, or its bearing, depends on.
std::set<std::string> judged_metrics(const Requirements& requirements);

/// Whether a variation of the inputs comes out on the side of a verdict.
struct Agreement {
  std::optional<bool> agrees;
  std::string reason = {};  ///< where it cannot be told
};

/// By point estimates: of a pass, all that decided holds; of a fail, something that failed is missed again. It cannot
/// be told where a check is unmet, or where what decided does not apply or has no finite number; or of another verdict.
Agreement agreement(const Judged& variation, const Requirements& requirements, const Ruling& ruling);

/// All that decides a verdict as text: two runs with one text were judged alike.
std::string canonical_text(const Requirements& requirements);

/// The smallest p that the requirement can have with its registered units: above the level it can never pass.
double least_attainable_p(const Requirement& requirement);

/// The fewest units with which any verdict is possible; 0 where nothing is sampled.
int64_t fewest_units(const Requirements& requirements);

/// Partial conjunction over n p values: that at least u of their hypotheses hold.
double at_least_p(std::vector<double> p, int64_t u);

}  // namespace replicate
