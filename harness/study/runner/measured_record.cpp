#include "harness/study/runner/measured_record.h"

#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/provenance.h"
#include "harness/study/runner/resume.h"
#include "harness/training/make_study.h"
#include "models/core/devices.h"

namespace replicate {
namespace {

/// Of the rules that judge.
constexpr int64_t kEdition = 2;

/// A model that is named by its path has no file in configs that says so.
std::optional<std::string> note_on_bos(const Session& session) {
  const auto& given = session.request.given;
  if (!session.settings.model.from_path || (given && given->kind == GivenSource::Kind::tokens)) return std::nullopt;
  if (session.begins_with_bos()) return "Natural inputs begin with BOS here; --bos off leaves it out.";
  if (!session.loaded.tokenizer->adds_bos()) return std::nullopt;
  return "The model's tokenizer begins a text with BOS, but natural inputs here do not; --bos on adds it.";
}

/// As `transformers` warns: positions that the model never saw may have anything at them.
std::optional<std::string> note_on_length(const Session& session, const Record& record) {
  const auto context = session.loaded.model->config.context;
  int64_t longest = 0;
  for (const auto& inputs : record.inputs) longest = std::max(longest, inputs.length);
  if (context <= 0 || longest <= context) return std::nullopt;
  return "Sequences of " + std::to_string(longest) + " tokens are longer than the " + std::to_string(context) +
         " that the model was trained for (max_position_embeddings).";
}

Measurement measured(ClaimRun& claim) {
  if (claim.inapplicable.empty() && claim.futile.empty()) return claim.judged.claim->measure();
  Measurement nothing;
  if (!claim.inapplicable.empty()) nothing.inapplicable = claim.inapplicable;
  if (!claim.futile.empty()) nothing.unmet = claim.futile;
  return nothing;
}

/// How far the run's dtype moves each judged metric, on the same few sequences.
void add_dtype_errors(const Judging& judging, const Measurement& reduced, const Measurement& exact, Measurement& all) {
  for (const auto& name : judged_metrics(judging)) {
    const auto named = [&](const Metric& metric) { return metric.name == name; };
    const auto a = std::ranges::find_if(reduced.metrics, named), b = std::ranges::find_if(exact.metrics, named);
    if (a == reduced.metrics.end() || b == exact.metrics.end()) {
      all.notes.push_back("How much --dtype changes " + name + " was not measured.");
      continue;
    }
    Metric error = *a;
    error.name += kDtypeError;
    error.value = std::abs(a->value - b->value);
    error.low = error.high = std::nullopt;
    all.metrics.push_back(std::move(error));
  }
}

/// The same at every stage that the claim was measured at: the errors name the spike, as the metrics do.
void add_dtype_errors(const ClaimRun& claim, Measurement& all) {
  for (const auto& [reduced, exact] : claim.dtypes) {
    add_dtype_errors(claim.settings->judging, reduced.claim->measure(), exact.claim->measure(), all);
  }
}

/// Its metrics stand beside the judged ones.
void add_metrics(Measurement measured, const std::string& suffix, Measurement& all) {
  for (auto& metric : measured.metrics) {
    metric.name += suffix;
    all.metrics.push_back(std::move(metric));
  }
}

void add_variation(ClaimRun& claim, size_t index, Record& record) {
  const auto& settings = claim.settings->sweep[index];
  auto& attempt = claim.sweep[index];
  Variation variation{settings.suffix, settings.changes, {}, attempt.error.empty() ? attempt.left_out : attempt.error};
  const auto error = what_throws([&] {
    if (!variation.reason.empty() || !attempt.claim) return;
    auto measured = attempt.claim->measure();
    variation = compared(std::move(variation), measured, *claim.settings, record);
    add_metrics(std::move(measured), "_" + settings.suffix, record.measurement);
  });
  if (!error.empty()) variation.reason = error;
  record.variations.push_back(std::move(variation));
}

StageFinding stage_of(const Attempt& attempt) {
  StageFinding stage{.spike = spike_of(attempt.context.stages)};
  for (const auto& one : attempt.context.stages) {
    stage.sinks.insert(stage.sinks.end(), one.sinks.begin(), one.sinks.end());
  }
  return stage;
}

/// The stages that the claim was measured at, the judged one first. What the others measured joins the record: their
/// metrics name the spike.
std::vector<StageFinding> add_stages(ClaimRun& claim, Measurement& all) {
  std::vector<StageFinding> stages;
  if (claim.judged.context.stages.empty()) return stages;
  stages.push_back(stage_of(claim.judged));
  for (const auto& attempt : claim.stages) {
    auto measured = attempt.claim->measure();
    stages.push_back(stage_of(attempt));
    if (measured.unmet || measured.inapplicable) {
      stages.back().verdict = Verdict::not_applicable;
      stages.back().reason = measured.inapplicable ? *measured.inapplicable : *measured.unmet;
    }
    std::move(measured.metrics.begin(), measured.metrics.end(), std::back_inserter(all.metrics));
    std::move(measured.samples.begin(), measured.samples.end(), std::back_inserter(all.samples));
  }
  return stages;
}

/// What the judged stage lacks another may have.
void judge_stage(const Judging& judging, Measurement& measurement, StageFinding& stage) {
  const auto unmet = std::exchange(measurement.unmet, std::nullopt);
  const auto inapplicable = std::exchange(measurement.inapplicable, std::nullopt);
  auto judgement = judge(measurement, judging, at_spike(stage.spike));
  measurement.unmet = unmet;
  measurement.inapplicable = inapplicable;
  stage.verdict = judgement.verdict;
  stage.reason = std::move(judgement.reason);
  stage.criteria = std::move(judgement.criteria);
  stage.checks = std::move(judgement.checks);
  stage.controls = std::move(judgement.controls);
}

/// At the first stage, of a claim that is bound to a spike.
std::map<std::string, int64_t> where_judged(const std::vector<StageFinding>& stages) {
  if (stages.empty()) return {};
  return at_spike(stages.front().spike);
}

/// A prediction holds for the predicted file alone, in float32, and for the registered definition.
bool was_predicted(const ClaimSettings& settings, const Record& record) {
  return record.registration && record.registration->as_registered && !record.model.reinitialised &&
         record.environment.dtype == "float32" &&
         std::ranges::find(settings.predicted_models, record.model.sha256) != settings.predicted_models.end();
}

Standing standing_of(const Judgement& judgement, const ClaimSettings& settings, const Record& record) {
  if (judgement.by_arithmetic) return Standing::arithmetic;
  if (settings.calibrated) return Standing::calibrated;
  return was_predicted(settings, record) ? Standing::confirmatory : Standing::unregistered;
}

void apply(Judgement judgement, Record& record) {
  record.verdict = judgement.verdict;
  record.reason = std::move(judgement.reason);
  record.criteria = std::move(judgement.criteria);
  record.checks = std::move(judgement.checks);
  record.controls = std::move(judgement.controls);
  record.bearing = judgement.bearing;
}

Environment environment(const Session& session) {
  return {.version = version(),
          .commit = commit(),
          .libtorch = TORCH_VERSION,
          .compiler = compiler(),
          .device = description(session.request.device),
          .cpu = cpu_name(),
          .dtype = session.settings.dtype,
          .threads = at::get_num_threads(),
          .date = utc_date(),
          .cuda = cuda_versions(),
          .attention = session.request.device.is_cuda() ? "kernels" : "blocked",
          .tf32 = at::globalContext().allowTF32CuBLAS(),
          .gpu_memory_mb = peak_gpu_memory_mb(session.request.device)};
}

}  // namespace

void measure_and_judge(const Session& session, ClaimRun& claim, Record& record) {
  record.measurement = measured(claim);
  if (session.given.judged && !session.given.set_aside) {
    record.measurement.too_few = "too few sequences: " + std::to_string(session.given.judged->sequences()) +
                                 " are given; with " + std::to_string(kFewestGiven) +
                                 " or more, a third is set aside to find layers and neurons";
  }
  add_dtype_errors(claim, record.measurement);
  auto& notes = record.measurement.notes;
  notes.insert(notes.begin(), claim.settings->notes.begin(), claim.settings->notes.end());
  if (!claim.trains()) {
    notes.insert(notes.begin(), session.given.notes.begin(), session.given.notes.end());
    for (const auto& note : {note_on_length(session, record), note_on_bos(session)})
      if (note) notes.insert(notes.begin(), *note);
  }
  judge_record(*claim.settings, add_stages(claim, record.measurement), record);
  for (size_t i = 0; i < claim.sweep.size(); ++i) add_variation(claim, i, record);
}

void judge_record(const ClaimSettings& settings, const std::vector<StageFinding>& stages, Record& record) {
  const auto& judging = settings.judging;
  auto judgement = judge(record.measurement, judging, where_judged(stages));
  if (judging.requirements) record.standing = standing_of(judgement, settings, record);
  apply(std::move(judgement), record);
  record.stages = stages;
  for (auto& stage : record.stages) {
    if (&stage == &record.stages.front()) {
      stage.verdict = record.verdict;
      stage.reason = record.reason;
      stage.criteria = record.criteria;
      stage.checks = record.checks;
      stage.controls = record.controls;
    } else if (stage.verdict != Verdict::not_applicable) {
      judge_stage(judging, record.measurement, stage);
    }
  }
}

Variation compared(Variation variation, const Measurement& measured, const ClaimSettings& settings,
                   const Record& record) {
  variation.agrees = std::nullopt;
  if (measured.unmet || measured.inapplicable) {
    variation.reason = measured.inapplicable ? *measured.inapplicable : *measured.unmet;
  } else if (record.verdict != Verdict::pass && record.verdict != Verdict::fail) {
    variation.reason = "the verdict is " + to_string(record.verdict);
  } else {
    const auto& requirements = *settings.judging.requirements;
    const auto ruling = rule({record.measurement, where_judged(record.stages)}, requirements);
    const auto found = agreement({measured}, requirements, ruling);
    variation.agrees = found.agrees;
    variation.reason = found.reason;
  }
  return variation;
}

Record blank_record(Session& session, const ClaimSettings& settings) {
  Record record;
  record.claim = settings.id;
  record.title = settings.title;
  record.kind = settings.judging.kind;
  record.edition = kEdition;
  record.version = version_of(settings);
  record.fact = settings.fact;
  record.paper = settings.paper;
  record.calibration = settings.calibration;
  record.calibrated = settings.calibrated;
  record.recorded = settings.known.recorded;
  record.registration = settings.registration;
  if (session.given.judged && record.registration) record.registration->as_registered = false;
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
  if (const auto& expected = settings.known.expected) {
    record.known_verdict = expected->verdict;
    record.known_why = expected->why;
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
