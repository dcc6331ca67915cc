#include "harness/record/verdict.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/sha256.h"
#include "harness/record/bearing.h"
#include "harness/record/clauses.h"
#include "harness/record/evidence.h"

namespace replicate {
namespace {

bool bounded(const Metric& metric) {
  return metric.low && metric.high && std::isfinite(*metric.low) && std::isfinite(*metric.high);
}

/// "0.83 [0.79, 0.86]", without the bracket where there is no interval.
std::string with_interval(const Metric& metric) {
  const std::string value = short_number(metric.value);
  if (!bounded(metric)) return value;
  return value + " [" + short_number(*metric.low) + ", " + short_number(*metric.high) + "]";
}

/// The first metric of that name is the primary condition; later ones are variants for the reader.
const Metric* find(const Measurement& measurement, const std::string& name) {
  const auto found = std::find_if(measurement.metrics.begin(), measurement.metrics.end(),
                                  [&](const Metric& metric) { return metric.name == name; });
  return found == measurement.metrics.end() ? nullptr : &*found;
}

/// Why a metric cannot be judged, empty when it can.
std::string why_undecidable(const Metric& metric, int64_t minimum_n) {
  if (!std::isfinite(metric.value)) return "has no value";
  if (metric.n < minimum_n) {
    if (metric.n == 1) return "comes from one sequence only: no interval";
    return "comes from " + std::to_string(metric.n) + " units of sampling, " + std::to_string(minimum_n) + " needed";
  }
  if (!metric.low || !metric.high) return "has no interval";
  if (!bounded(metric)) return "does not exist in some resamples: no interval";
  return {};
}

enum class Side { right, wrong, both };

/// On which side of the threshold an interval lies. The threshold itself belongs to >= and <=.
Side side(const Criterion& criterion, double low, double high) {
  const double t = criterion.threshold;
  const auto decide = [](bool right, bool wrong) { return right ? Side::right : wrong ? Side::wrong : Side::both; };
  switch (criterion.op) {
    case Operator::above: return decide(low > t, high <= t);
    case Operator::at_least: return decide(low >= t, high < t);
    case Operator::below: return decide(high < t, low >= t);
    case Operator::at_most: break;
  }
  return decide(high <= t, low > t);
}

/// What came of one criterion or control, and the clause that says so.
template <typename Result>
struct Decision {
  Result outcome;
  std::string clause;
};

Decision<Outcome> judge_criterion(const Criterion& criterion, const Metric& metric, int64_t minimum_n) {
  const std::string value = criterion.metric + " = " + with_interval(metric);
  const std::string wanted = to_string(criterion.op) + " " + short_number(criterion.threshold);
  const std::string why = why_undecidable(metric, minimum_n);
  if (!why.empty()) return {Outcome::inconclusive, value + " (" + wanted + " wanted) " + why};
  switch (side(criterion, *metric.low, *metric.high)) {
    case Side::right: return {Outcome::pass, value + " (" + wanted + " wanted)"};
    case Side::wrong: return {Outcome::fail, value + " lies wholly outside " + wanted};
    case Side::both: break;
  }
  return {Outcome::inconclusive,
          value + " straddles " + short_number(criterion.threshold) + " (" + wanted + " wanted)"};
}

/// Bounds of |x| for x in [low, high].
std::pair<double, double> absolute_bounds(double low, double high) {
  const double a = std::abs(low), b = std::abs(high);
  const bool spans_zero = low <= 0 && high >= 0;
  return {spans_zero ? 0 : std::min(a, b), std::max(a, b)};
}

double limit_of(const Control& control, const Metric& effect) { return control.fraction * std::abs(effect.value); }

Decision<ControlOutcome> judge_control(const Control& control, const Metric& metric, const Metric& effect,
                                       int64_t minimum_n) {
  const double limit = limit_of(control, effect);
  const std::string value = "control " + control.metric + " = " + with_interval(metric);
  const std::string allowed = short_number(control.fraction) + " x " + control.of + " = " + short_number(limit);
  const std::string why = why_undecidable(metric, minimum_n);
  if (!why.empty()) return {ControlOutcome::inconclusive, value + " (below " + allowed + " wanted) " + why};
  if (!(limit > 0 && std::isfinite(limit)))
    return {ControlOutcome::inconclusive, value + " has no effect to be compared with: " + allowed};
  const auto [low, high] = absolute_bounds(*metric.low, *metric.high);
  if (high < limit) return {ControlOutcome::negative, value + " stays below " + allowed};
  if (low >= limit) return {ControlOutcome::fires, value + " is not below " + allowed};
  return {ControlOutcome::inconclusive, value + " straddles " + allowed};
}

const Metric& required(const Measurement& measurement, const std::string& name, const std::string& what) {
  if (const Metric* metric = find(measurement, name)) return *metric;
  throw Error(what + " needs the metric " + in_quotes(name) + ", which was not measured", "judging " + name,
              "correct the metric's name in configs/claims or measure it");
}

/// Where nothing could be measured, metrics may be absent.
bool missing_allowed(const Measurement& measurement) { return measurement.unmet || measurement.inapplicable; }

double arithmetic_error(const Measurement& measurement, const std::string& name) {
  const Metric* error = find(measurement, name + kDtypeError);
  return error ? error->value : 0;
}

/// Products in a smaller type could have moved what is nearer than their error to where it is decided.
template <typename Result>
Decision<Result> beyond_arithmetic(Decision<Result> decision, double margin, double error) {
  if (decision.outcome == Result::inconclusive || margin >= error) return decision;
  return {Result::inconclusive, decision.clause + ", but the margin of " + short_number(margin) +
                                    " is within the error of the arithmetic, " + short_number(error)};
}

Decision<Outcome> decide_criterion(const Measurement& measurement, const Criterion& criterion, int64_t minimum_n) {
  if (missing_allowed(measurement) && !find(measurement, criterion.metric)) return {Outcome::not_measured, {}};
  const std::string what =
      "the criterion " + criterion.metric + " " + to_string(criterion.op) + " " + short_number(criterion.threshold);
  const Metric& metric = required(measurement, criterion.metric, what);
  return beyond_arithmetic(judge_criterion(criterion, metric, minimum_n), std::abs(metric.value - criterion.threshold),
                           arithmetic_error(measurement, criterion.metric));
}

Decision<ControlOutcome> decide_control(const Measurement& measurement, const Control& control, int64_t minimum_n) {
  const Metric* metric = find(measurement, control.metric);
  if (!metric || (missing_allowed(measurement) && !find(measurement, control.of))) {
    return {ControlOutcome::not_measured, "control " + control.metric + " was not measured"};
  }
  const Metric& effect = required(measurement, control.of, "the control " + control.metric);
  const double error =
      arithmetic_error(measurement, control.metric) + control.fraction * arithmetic_error(measurement, control.of);
  return beyond_arithmetic(judge_control(control, *metric, effect, minimum_n),
                           std::abs(std::abs(metric->value) - limit_of(control, effect)), error);
}

/// The clauses of all findings, sorted by what they say for the verdict.
struct Clauses {
  std::vector<std::string> against, open, for_it;

  void add(const Decision<Outcome>& decision) {
    add(decision.outcome == Outcome::pass, decision.outcome == Outcome::fail, decision.clause);
  }
  void add(const Decision<ControlOutcome>& decision) {
    add(decision.outcome == ControlOutcome::negative, decision.outcome == ControlOutcome::fires, decision.clause);
  }

 private:
  void add(bool good, bool bad, const std::string& clause) { (good ? for_it : bad ? against : open).push_back(clause); }
};

std::string sentence(const std::vector<std::string>& clauses) {
  std::string text;
  for (const std::string& clause : clauses) add_clause(text, clause);
  return text;
}

/// Sampling too small for an interval; where no metric exists there is nothing to count by.
bool one_sequence_only(const Measurement& measurement, int64_t minimum_n) {
  int64_t largest = 0;
  for (const Metric& metric : measurement.metrics) largest = std::max(largest, metric.n);
  return largest > 0 && largest < minimum_n;
}

/// A mechanism that is not there is a finding against it; an intervention on it says nothing; a
/// training claim lacks the baseline to compare with.
Verdict unmet_verdict(ClaimKind kind) {
  if (kind == ClaimKind::mechanism) return Verdict::fail;
  return kind == ClaimKind::intervention ? Verdict::not_applicable : Verdict::inconclusive;
}

void decide_unmet(const Measurement& measurement, const Judging& judging, Judgement& judgement) {
  judgement.verdict = unmet_verdict(judging.kind);
  judgement.reason = *measurement.unmet;
  if (judgement.verdict == Verdict::fail && one_sequence_only(measurement, judging.minimum_n)) {
    judgement.verdict = Verdict::inconclusive;
    judgement.reason += ", but on one sequence only: no interval";
  }
}

void decide(const Clauses& clauses, Judgement& judgement) {
  if (!clauses.against.empty()) {
    judgement.verdict = Verdict::fail;
    judgement.reason = sentence(clauses.against);
  } else if (!clauses.open.empty()) {
    judgement.verdict = Verdict::inconclusive;
    judgement.reason = sentence(clauses.open);
  } else {
    judgement.verdict = Verdict::pass;
    judgement.reason = sentence(clauses.for_it);
  }
}

/// "tokens_per_parameter = 4 (10 needed)" for each part of the scale that is too small.
std::string below_scale(const Measurement& measurement, const Judging& judging) {
  std::vector<std::string> small;
  for (const auto& [name, least] : judging.minimum_scale) {
    const double value = required(measurement, name, "the claim's minimum_scale").value;
    if (!(value >= least && std::isfinite(value))) {
      small.push_back(name + " = " + short_number(value) + " (" + short_number(least) + " needed)");
    }
  }
  return sentence(small);
}

Sampling sampling_of(const Judging& judging) {
  return judging.kind == ClaimKind::training ? Sampling::student : Sampling::bootstrap;
}

Finding find_out(const Measurement& measurement, Sampling sampling, const Criterion& criterion, Outcome outcome) {
  Finding finding{criterion, outcome};
  const Metric* metric = find(measurement, criterion.metric);
  if (const auto evidence = metric ? evidence_for(criterion, *metric, sampling) : std::nullopt) {
    finding.effect_size = evidence->effect_size;
    finding.p = evidence->p;
  }
  return finding;
}

ControlFinding find_out(const Measurement& measurement, Sampling sampling, const Control& control,
                        ControlOutcome outcome) {
  ControlFinding finding{control, outcome};
  const Metric* metric = find(measurement, control.metric);
  const Metric* effect = find(measurement, control.of);
  if (metric && effect) finding.p = equivalence_p(*metric, limit_of(control, *effect), sampling);
  return finding;
}

RivalFinding judge_prediction(const Measurement& measurement, const Judging& judging, const Prediction& prediction) {
  const Criterion& criterion = prediction.criterion;
  const Metric* metric = find(measurement, criterion.metric);
  const Outcome outcome =
      metric ? judge_criterion(criterion, *metric, judging.minimum_n).outcome : Outcome::not_measured;
  return {prediction.question, prediction.account, find_out(measurement, sampling_of(judging), criterion, outcome)};
}

// The second edition.

/// The criteria of a requirement, unjudged where nothing was tested.
void add_findings(const Requirement& requirement, const Tested* tested, std::vector<Finding>& findings) {
  for (size_t i = 0; i < requirement.members.size(); ++i) {
    add_findings(requirement.members[i], tested ? &tested->members[i] : nullptr, findings);
  }
  if (requirement.is_group()) return;
  findings.push_back({requirement.criterion});
  if (!tested) return;
  findings.back().outcome = tested->outcome;
  if (tested->outcome != Outcome::not_measured) findings.back().p = tested->p;
}

Control control_of(const JointControl& control) {
  return {control.metric, control.of, control.fraction, control.source};
}

ControlOutcome control_outcome(Outcome outcome) {
  if (outcome == Outcome::not_measured) return ControlOutcome::not_measured;
  if (outcome == Outcome::pass) return ControlOutcome::negative;
  return outcome == Outcome::fail ? ControlOutcome::fires : ControlOutcome::inconclusive;
}

std::vector<Finding> findings_of(const std::vector<Requirement>& requirements, const std::vector<Tested>& tested) {
  std::vector<Finding> findings;
  for (size_t i = 0; i < requirements.size(); ++i) add_findings(requirements[i], &tested[i], findings);
  return findings;
}

/// What was not trained can be trained; what a model lacks it lacks.
void decide_missing(const Measurement& measurement, const Judging& judging, Judgement& judgement) {
  const bool trainable = !measurement.inapplicable && judging.kind == ClaimKind::training;
  judgement.verdict = trainable ? Verdict::not_run : Verdict::not_applicable;
  judgement.reason = measurement.inapplicable ? *measurement.inapplicable : *measurement.unmet;
  judgement.bearing = Bearing::silent;
  judgement.criteria = unjudged_criteria(judging);
  judgement.controls = unjudged_controls(judging);
  for (auto& finding : judgement.criteria) finding.outcome = Outcome::not_measured;
  for (auto& finding : judgement.controls) finding.outcome = ControlOutcome::not_measured;
}

Judgement judge_requirements(const Judged& judged, const Judging& judging) {
  const auto& requirements = *judging.requirements;
  Judgement judgement;
  if (missing_allowed(judged.measurement)) {
    decide_missing(judged.measurement, judging, judgement);
    return judgement;
  }
  auto ruling = rule(judged, requirements);
  if (const auto& too_few = judged.measurement.too_few) {
    ruling.verdict = Verdict::inconclusive;
    ruling.reason = *too_few;
  }
  judgement.verdict = ruling.verdict;
  judgement.reason = ruling.reason;
  judgement.bearing = bearing_of(ruling, requirements.bearing);
  judgement.by_arithmetic = ruling.by_arithmetic;
  judgement.criteria = findings_of(requirements.all, ruling.requirements);
  judgement.checks = findings_of(requirements.checks, ruling.checks);
  for (size_t i = 0; i < requirements.controls.size(); ++i) {
    const auto& tested = ruling.controls[i];
    judgement.controls.push_back({control_of(requirements.controls[i]), control_outcome(tested.outcome)});
    if (tested.outcome != Outcome::not_measured) judgement.controls.back().p = tested.p;
  }
  return judgement;
}

}  // namespace

Judgement judge(const Measurement& measurement, const Judging& judging, const std::map<std::string, int64_t>& where) {
  if (judging.requirements) return judge_requirements({measurement, where}, judging);
  Judgement judgement;
  Clauses clauses;
  const Sampling sampling = sampling_of(judging);
  for (const Criterion& criterion : judging.criteria) {
    const auto decision = decide_criterion(measurement, criterion, judging.minimum_n);
    judgement.criteria.push_back(find_out(measurement, sampling, criterion, decision.outcome));
    clauses.add(decision);
  }
  for (const Control& control : judging.controls) {
    const auto decision = decide_control(measurement, control, judging.minimum_n);
    judgement.controls.push_back(find_out(measurement, sampling, control, decision.outcome));
    clauses.add(decision);
  }
  for (const Prediction& prediction : judging.rivals) {
    judgement.rivals.push_back(judge_prediction(measurement, judging, prediction));
  }
  if (measurement.inapplicable) {
    judgement.verdict = Verdict::not_applicable;
    judgement.reason = *measurement.inapplicable;
  } else if (measurement.unmet) {
    decide_unmet(measurement, judging, judgement);
  } else if (measurement.too_few) {
    judgement.verdict = Verdict::inconclusive;
    judgement.reason = *measurement.too_few;
  } else if (judging.criteria.empty()) {
    judgement.verdict = Verdict::descriptive;
    judgement.reason = "nothing is judged";
  } else if (const auto small = below_scale(measurement, judging); !small.empty()) {
    judgement.verdict = Verdict::inconclusive;
    judgement.reason = "too small a scale to tell: " + small;
  } else {
    decide(clauses, judgement);
  }
  return judgement;
}

std::vector<Finding> unjudged_criteria(const Judging& judging) {
  std::vector<Finding> findings;
  for (const Criterion& criterion : judging.criteria) findings.push_back({criterion});
  if (!judging.requirements) return findings;
  for (const Requirement& one : judging.requirements->all) add_findings(one, nullptr, findings);
  return findings;
}

std::vector<ControlFinding> unjudged_controls(const Judging& judging) {
  std::vector<ControlFinding> findings;
  for (const Control& control : judging.controls) findings.push_back({control});
  if (!judging.requirements) return findings;
  for (const JointControl& control : judging.requirements->controls) findings.push_back({control_of(control)});
  return findings;
}

std::set<std::string> judged_metrics(const Judging& judging) {
  if (judging.requirements) return judged_metrics(*judging.requirements);
  std::set<std::string> names;
  for (const auto& criterion : judging.criteria) names.insert(criterion.metric);
  for (const auto& control : judging.controls) names.insert({control.metric, control.of});
  return names;
}

std::string thresholds_sha256(const Judging& judging) {
  std::vector<std::string> lines;
  for (const Criterion& c : judging.criteria) {
    lines.push_back("criterion " + c.metric + " " + to_string(c.op) + " " + exact_number(c.threshold) + "\n");
  }
  for (const Control& c : judging.controls) {
    lines.push_back("control " + c.metric + " of " + c.of + " " + exact_number(c.fraction) + "\n");
  }
  std::sort(lines.begin(), lines.end());
  std::string text = "kind " + to_string(judging.kind) + "\nminimum_n " + std::to_string(judging.minimum_n) + "\n";
  for (const auto& [name, least] : judging.minimum_scale) {
    text += "minimum_scale " + name + " " + exact_number(least) + "\n";
  }
  for (const std::string& line : lines) text += line;
  if (judging.requirements) text += canonical_text(*judging.requirements);
  return sha256_hex(text);
}

}  // namespace replicate
