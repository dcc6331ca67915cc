#include "harness/study/runner/measured_record.h"

#include <torch/version.h>

#include <algorithm>
#include <cmath>

#include "base/provenance.h"
#include "harness/study/runner/resume.h"
#include "harness/training/make_study.h"
#include "models/core/devices.h"

namespace replicate {
namespace {

/// A model that is named by its path has no file in configs that says so.
std::optional<std::string> note_on_bos(const Session& session) {
  if (!session.settings.model.from_path || session.given) return std::nullopt;
  if (session.begins_with_bos()) return "Natural inputs begin with BOS here; --bos off leaves it out.";
  if (!session.loaded.tokenizer->adds_bos()) return std::nullopt;
  return "The model's tokenizer begins a text with BOS, natural inputs here do not; --bos on adds it.";
}

Measurement measured(ClaimRun& claim) {
  if (claim.inapplicable.empty() && claim.futile.empty()) return claim.judged.claim->measure();
  Measurement nothing;
  if (!claim.inapplicable.empty()) nothing.inapplicable = claim.inapplicable;
  if (!claim.futile.empty()) nothing.unmet = claim.futile;
  return nothing;
}

/// How far the run's dtype moves each judged metric, on the same few sequences.
void add_dtype_errors(ClaimRun& claim, Measurement& measurement) {
  if (claim.dtypes.empty()) return;
  const auto reduced = claim.dtypes[0].claim->measure();
  const auto exact = claim.dtypes[1].claim->measure();
  for (const auto& name : judged_metrics(claim.settings->judging)) {
    const auto named = [&](const Metric& metric) { return metric.name == name; };
    const auto a = std::find_if(reduced.metrics.begin(), reduced.metrics.end(), named);
    const auto b = std::find_if(exact.metrics.begin(), exact.metrics.end(), named);
    if (a == reduced.metrics.end() || b == exact.metrics.end()) {
      measurement.notes.push_back("How far --dtype moves " + name + " was not measured.");
      continue;
    }
    Metric error = *a;
    error.name += kDtypeError;
    error.value = std::abs(a->value - b->value);
    error.low = error.high = std::nullopt;
    measurement.metrics.push_back(std::move(error));
  }
}

/// The point's own verdict, and its metrics beside the judged ones: those of the primary condition and its null.
void add_sweep_point(ClaimRun& claim, size_t index, Record& record) {
  const auto& settings = claim.settings->sweep[index];
  auto& attempt = claim.sweep[index];
  SweepPoint point{settings.suffix, settings.changes, Verdict::error, attempt.error};
  const auto error = what_throws([&] {
    if (!attempt.error.empty() || !attempt.claim) return;
    auto measured = attempt.claim->measure();
    const auto judgement = judge(measured, claim.settings->judging);
    point.verdict = judgement.verdict;
    point.reason = judgement.reason;
    for (auto& metric : measured.metrics) {
      metric.name += "_" + settings.suffix;
      record.measurement.metrics.push_back(std::move(metric));
    }
  });
  if (!error.empty()) point.reason = error;
  record.sweep.push_back(std::move(point));
}

Environment environment(const Session& session) {
  return {.version = version(),
          .commit = commit(),
          .libtorch = TORCH_VERSION,
          .compiler = compiler(),
          .device = description(session.request.device),
          .cpu = cpu_name(),
          .dtype = session.settings.dtype,
          .threads = at::get_num_threads()};
}

}  // namespace

void measure_and_judge(const Session& session, ClaimRun& claim, Record& record) {
  record.measurement = measured(claim);
  add_dtype_errors(claim, record.measurement);
  auto& notes = record.measurement.notes;
  notes.insert(notes.begin(), claim.settings->notes.begin(), claim.settings->notes.end());
  if (const auto note = claim.trains() ? std::nullopt : note_on_bos(session)) notes.insert(notes.begin(), *note);
  apply(judge(record.measurement, claim.settings->judging), record);
  for (size_t i = 0; i < claim.sweep.size(); ++i) add_sweep_point(claim, i, record);
}

void apply(Judgement judgement, Record& record) {
  record.verdict = judgement.verdict;
  record.reason = std::move(judgement.reason);
  record.criteria = std::move(judgement.criteria);
  record.controls = std::move(judgement.controls);
  record.rivals = std::move(judgement.rivals);
}

Record blank_record(Session& session, const ClaimSettings& settings) {
  Record record;
  record.claim = settings.id;
  record.title = settings.title;
  record.kind = settings.judging.kind;
  record.paper = settings.paper;
  record.calibration = settings.calibration;
  record.calibrated = settings.calibrated;
  if (settings.registered) record.registered = settings.registered->reference;
  record.error_rates = settings.error_rates;
  record.model = record.kind == ClaimKind::training
                     ? model_record(session.settings.training, session.settings.seed, session.request.device)
                     : session.loaded.record;
  record.seed = session.settings.seed;
  record.profile = session.settings.profile;
  record.caution = session.settings.caution;
  record.environment = environment(session);
  record.panels = settings.panels;
  record.arithmetic = settings.arithmetic;
  record.otherwise = settings.otherwise;
  record.deviations = settings.deviations;
  record.parameters = settings.parameters.yaml();
  record.fingerprint = fingerprint(session, settings);
  record.thresholds_sha256 = thresholds_sha256(settings.judging);
  record.criteria = unjudged_criteria(settings.judging);
  record.controls = unjudged_controls(settings.judging);
  record.command = session.request.command + " --only '^" + settings.id + "$'";
  if (settings.known) {
    record.known_verdict = settings.known->verdict;
    record.known_why = settings.known->why;
  }
  return record;
}

std::vector<InputsRecord> inputs_of(const ClaimRun& claim) {
  std::vector<InputsRecord> all;
  for (const auto& lane : claim.plan) {
    auto inputs = inputs_record(*lane.tokens);
    const bool known = std::any_of(all.begin(), all.end(), [&](const InputsRecord& other) {
      return other.label == inputs.label && other.length == inputs.length && other.sha256 == inputs.sha256;
    });
    if (!known) all.push_back(std::move(inputs));
  }
  return all;
}

}  // namespace replicate
