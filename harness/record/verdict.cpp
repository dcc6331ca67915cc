#include "harness/record/verdict.h"

#include "base/sha256.h"
#include "harness/record/bearing.h"

namespace replicate {
namespace {

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
Judgement judgement_of_missing(const Measurement& measurement, const Judging& judging) {
  const bool trainable = !measurement.inapplicable && judging.kind == ClaimKind::training;
  Judgement judgement;
  judgement.verdict = trainable ? Verdict::not_run : Verdict::not_applicable;
  judgement.reason = measurement.inapplicable ? *measurement.inapplicable : *measurement.unmet;
  if (judging.requirements) judgement.bearing = Bearing::silent;
  judgement.criteria = unjudged_criteria(judging);
  judgement.controls = unjudged_controls(judging);
  for (auto& finding : judgement.criteria) finding.outcome = Outcome::not_measured;
  for (auto& finding : judgement.controls) finding.outcome = ControlOutcome::not_measured;
  return judgement;
}

Judgement judge_requirements(const Judged& judged, const Requirements& requirements) {
  auto ruling = rule(judged, requirements);
  if (const auto& too_few = judged.measurement.too_few) {
    ruling.verdict = Verdict::inconclusive;
    ruling.reason = *too_few;
  }
  Judgement judgement;
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
  if (measurement.unmet || measurement.inapplicable) return judgement_of_missing(measurement, judging);
  if (!judging.requirements) return {.verdict = Verdict::descriptive, .reason = "nothing is judged"};
  return judge_requirements({measurement, where}, *judging.requirements);
}

std::vector<Finding> unjudged_criteria(const Judging& judging) {
  std::vector<Finding> findings;
  if (!judging.requirements) return findings;
  for (const Requirement& one : judging.requirements->all) add_findings(one, nullptr, findings);
  return findings;
}

std::vector<ControlFinding> unjudged_controls(const Judging& judging) {
  std::vector<ControlFinding> findings;
  if (!judging.requirements) return findings;
  for (const JointControl& control : judging.requirements->controls) findings.push_back({control_of(control)});
  return findings;
}

std::set<std::string> judged_metrics(const Judging& judging) {
  return judging.requirements ? judged_metrics(*judging.requirements) : std::set<std::string>();
}

std::string thresholds_sha256(const Judging& judging) {
  // The number of units says nothing any more. It stays, since the hashes of definitions and of recorded runs have it.
  const auto text = "kind " + to_string(judging.kind) + "\nminimum_n 2\n";
  return sha256_hex(text + (judging.requirements ? canonical_text(*judging.requirements) : ""));
}

}  // namespace replicate
