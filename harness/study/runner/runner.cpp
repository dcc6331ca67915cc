#include "harness/study/runner/runner.h"

#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/provenance.h"
#include "base/sha256.h"
#include "harness/record/power_table.h"
#include "harness/record/settings/settings_yaml.h"
#include "harness/study/claim.h"
#include "harness/study/prefix_recordings.h"
#include "harness/study/runner/cost_table.h"
#include "harness/study/surveyor.h"
#include "harness/training/make_study.h"
#include "harness/training/training_study.h"
#include "models/core/devices.h"

namespace replicate {
namespace {

/// Raised when the same settings come to mean other numbers, so that --resume keeps none of the old ones.
constexpr int kMeasurementVersion = 4;
constexpr const char* kTokensPerParameter =
    "tokens_per_parameter";                // the part of a minimum_scale that is known beforehand
constexpr uintmax_t kRunBytes = 64 << 20;  // records, plots and report of one run, generously

double seconds_now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// The first line of a message: LibTorch appends a stack trace to its own.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// One measurement of a claim: as it is judged, or at a point of its sweep.
struct Attempt {
  Context context;
  std::unique_ptr<Claim> claim = {};  // once it was declared
  std::string error = {};             // why it cannot run: at a point of a sweep that is the point's alone
};

/// One claim on its way from settings to record.
struct ClaimRun {
  const ClaimSettings* settings;
  Attempt judged;
  std::vector<Attempt> sweep;  // as settings->sweep
  Plan plan;                   // of all attempts
  double flops = 0;
  double seconds = 0;
  std::string error;              // why it ended, if it did
  std::string inapplicable = {};  // why it has nothing to say here, if so
  std::string futile = {};        // why it would be inconclusive whatever was trained, if so
  std::vector<Attempt> dtypes =
      {};  // in the run's dtype and in float32, on few sequences; empty where they are the same

  bool trains() const { return settings->judging.kind == "training"; }
  bool looks_only() const {
    return std::all_of(plan.begin(), plan.end(), [](const Lane& lane) { return lane.patches.empty(); });
  }
};

/// Everything that the claims of one run share.
class Runner {
 public:
  explicit Runner(const RunRequest& request)
      : request_(request),
        settings_(request.settings),
        loaded_(load_model(settings_.model, settings_.dtype, settings_.seed, request.device)),
        maker_(make_inputs(settings_.seed)) {
    if (request.tokens) given_ = read_tokens(*request.tokens, loaded_.model->config.vocabulary);
    options_.device = request.device;
    if (settings_.batch_tokens > 0) options_.batch_tokens = settings_.batch_tokens;
  }

  /// Of config.yaml, what was up to the model decided.
  std::string config() const {
    auto settings = settings_;
    settings.model.bos = begins_with_bos();
    return settings_yaml(settings);
  }

  RunOutcome run(const RunFolder& folder, Progress& progress) {
    prose_sha256_ = maker_->prose_sha256();
    auto claims = open_claims(folder);
    auto training = take_training_claims(claims);
    if (!claims.empty()) {
      if (!survey(claims, folder, progress)) return outcome(true);
      const auto measured = run_passes(claims, folder, progress);
      if (measured.interrupted || !measured.failure.empty()) return measured;
    }
    if (training.empty()) return outcome(false);
    if (!train_for(training, progress)) return outcome(true);
    return run_passes(training, folder, progress);
  }

  std::string dry_run() {
    survey_ = assumed_survey();
    CostTable table(options_, measured_rate(*loaded_.model, options_));
    Plan together = {survey_lane(Surveyor())};
    table.add("survey", together);
    double flops = 0;
    std::vector<ClaimRun> training;
    for (const auto& settings : settings_.claims) {
      auto claim = start(settings);
      if (claim.trains()) {
        training.push_back(std::move(claim));
        continue;
      }
      prepare(claim);
      if (!claim.error.empty()) {
        table.add_failure(settings.id, claim.error);
        continue;
      }
      table.add(settings.id, claim.plan);
      if (claim.looks_only()) {
        together.insert(together.end(), claim.plan.begin(), claim.plan.end());
      } else {
        flops += claim.flops;
      }
    }
    if (!training.empty()) add_training(training, table);
    const auto power = power_table(settings_.claims, [&](const ClaimSettings& claim) { return planned_units(claim); });
    return table.text(flops + estimate(together, options_).flops) + (power.empty() ? "" : "\n" + power);
  }

 private:
  std::shared_ptr<InputMaker> make_inputs(uint64_t seed) const {
    return std::make_shared<InputMaker>(loaded_.tokenizer, loaded_.model->config.vocabulary, request_.assets / "prose",
                                        seed);
  }

  /// The settings know it of a named model; a model that is given by its path may know it of itself.
  bool begins_with_bos() const { return settings_.model.bos.value_or(loaded_.model->config.begins_with_bos); }

  /// Whoever gives a path has not read a model's file in configs.
  std::optional<std::string> note_on_bos() const {
    if (!settings_.model.from_path || given_) return std::nullopt;
    if (begins_with_bos()) return "Natural inputs begin with BOS here; --bos off leaves it out.";
    if (!loaded_.tokenizer->adds_bos()) return std::nullopt;
    return "The model's tokenizer begins a text with BOS, natural inputs here do not; --bos on adds it.";
  }

  static void use(const ModelAndNulls& models, Context& context) {
    context.model = models.model;
    context.null_model = models.null_model;
    context.reinitialised = models.reinitialised;
  }

  Context context_for(const ClaimSettings& settings) {
    Context context(settings.parameters);
    use(loaded_, context);
    context.maker = maker_.get();
    context.given = given_;
    context.seed = settings_.seed;
    context.bootstrap = {settings_.bootstrap_resamples, derive_seed(settings_.seed, "bootstrap")};
    context.bos = begins_with_bos();
    context.arms = settings.arms;
    return context;
  }

  Context context_for(const ClaimSettings& settings, const SweepSettings& point) {
    auto context = context_for(settings);
    context.parameters = point.parameters;
    context.reports_others = false;
    context.bos = point.bos.value_or(context.bos);
    if (point.seed) {
      auto& maker = other_makers_[*point.seed];
      if (!maker) maker = make_inputs(*point.seed);
      context.maker = maker.get();
      context.seed = *point.seed;
    }
    return context;
  }

  ClaimRun start(const ClaimSettings& settings) {
    if (!claim_registry().contains(settings.id)) {
      throw Error("no claim is registered under '" + settings.id + "'", "configs/claims",
                  "add experiments/" + settings.id + ".cpp");
    }
    check_parameters(settings.id, settings.parameters);
    ClaimRun run{&settings, {context_for(settings)}, {}, {}, 0, 0, {}};
    if (settings.dtype_check) {
      for (const ModelAndNulls& models : {static_cast<const ModelAndNulls&>(loaded_), *loaded_.exact}) {
        run.dtypes.push_back({context_for(settings, *settings.dtype_check)});
        use(models, run.dtypes.back().context);
      }
    }
    if (given_) return run;
    for (const auto& point : settings.sweep) run.sweep.push_back({context_for(settings, point)});
    return run;
  }

  /// Claims that have no finished record yet.
  std::vector<ClaimRun> open_claims(const RunFolder& folder) {
    std::vector<ClaimRun> open;
    for (const auto& settings : settings_.claims) {
      if (auto kept = finished(settings, folder)) {
        log_info(settings.id + ": kept from " + folder.claim(settings.id).string());
        records_[settings.id] = std::move(*kept);
      } else {
        std::filesystem::remove(folder.claim(settings.id) / "record.json");  // of another measurement
        open.push_back(start(settings));
      }
    }
    return open;
  }

  /// The record in the folder if it measured just this. Judged again and with today's settings, since
  /// thresholds and panels may have changed without touching what was measured.
  std::optional<Record> finished(const ClaimSettings& settings, const RunFolder& folder) {
    if (!std::filesystem::exists(folder.claim(settings.id) / "record.json")) return std::nullopt;
    Record old;
    try {
      old = read_record(folder.claim(settings.id));
    } catch (const Error& error) {
      log_warn(std::string(error.what()) + "; measuring it again");
      return std::nullopt;
    }
    auto record = blank_record(settings);
    if (old.verdict == Verdict::error || old.fingerprint != record.fingerprint) return std::nullopt;
    record.inputs = std::move(old.inputs);
    record.sweep = judged_again(old, settings);
    record.environment = std::move(old.environment);
    record.seconds = old.seconds;
    record.peak_memory_mb = old.peak_memory_mb;
    record.measurement = std::move(old.measurement);
    apply(judge(record.measurement, settings.judging), record);
    if (record_to_json(record) != read_text(folder.claim(settings.id) / "record.json")) {
      write_record(record, folder.claim(settings.id));
    }
    return record;
  }

  /// The sweep's verdicts under today's thresholds, from the metrics that carry each point's suffix.
  static std::vector<SweepPoint> judged_again(const Record& old, const ClaimSettings& settings) {
    auto points = old.sweep;
    for (auto& point : points) {
      Measurement measured;
      for (auto metric : old.measurement.metrics) {
        if (!metric.name.ends_with("_" + point.suffix)) continue;
        metric.name.resize(metric.name.size() - point.suffix.size() - 1);
        measured.metrics.push_back(std::move(metric));
      }
      if (measured.metrics.empty()) continue;  // nothing was measured there, and why stands in its reason
      try {
        const auto judgement = judge(measured, settings.judging);
        point.verdict = judgement.verdict;
        point.reason = judgement.reason;
      } catch (const Error&) {  // its metrics are not those that are judged: unmet
      }
    }
    return points;
  }

  /// Another model, seed, survey, parameter or token: another fingerprint.
  std::string fingerprint(const ClaimSettings& settings) {
    if (settings.judging.kind == "training") return training_fingerprint(settings);
    const auto all = std::to_string(kMeasurementVersion) + "\n" + request_.device.str() + "\n" + prose_sha256_ + "\n" +
                     settings.id + "\n" + loaded_.record.sha256 + "\n" + std::to_string(loaded_.record.reinitialised) +
                     "\n" + std::to_string(settings_.seed) + "\n" + std::to_string(settings_.bootstrap_resamples) +
                     "\n" + (begins_with_bos() ? "on" : "off") + "\n" + settings_.survey.yaml() + "\n" +
                     settings.parameters.yaml() + "\n" + sweep_text(settings) + "\n" +
                     (settings_.dtype == "float32" ? "" : settings_.dtype) +
                     (given_ ? given_->record.sha256 + "/" + std::to_string(given_->record.length) : "");
    return sha256_hex(std::as_bytes(std::span(all)));
  }

  std::string training_fingerprint(const ClaimSettings& settings) {
    std::string study_print;
    const auto error = what_throws([&] { study_print = study().fingerprint() + futility(settings); });
    const auto all = std::to_string(kMeasurementVersion) + "\n" + request_.device.str() + "\n" + settings.id + "\n" +
                     study_print + error + "\n" + settings.parameters.yaml();
    return sha256_hex(std::as_bytes(std::span(all)));
  }

  static std::string sweep_text(const ClaimSettings& settings) {
    std::string text;
    for (const auto& point : settings.sweep) {
      text += point.suffix + ": " + point.changes + "\n" + point.parameters.yaml();
    }
    return text;
  }

  static void apply(Judgement judgement, Record& record) {
    record.verdict = judgement.verdict;
    record.reason = std::move(judgement.reason);
    record.criteria = std::move(judgement.criteria);
    record.controls = std::move(judgement.controls);
    record.rivals = std::move(judgement.rivals);
  }

  void prepare(ClaimRun& claim) {
    if (!claim.error.empty() || !claim.inapplicable.empty() || !claim.futile.empty()) return;
    guarded(claim, [&] {
      const auto declare = [&](Attempt& attempt) { add_lanes(claim.settings->id, attempt, claim.plan); };
      declare(claim.judged);
      for (auto& attempt : claim.dtypes) declare(attempt);
      for (auto& attempt : claim.sweep) attempt.error = what_throws([&] { declare(attempt); });
      claim.flops = estimate(claim.plan, options_).flops;
    });
  }

  /// Recordings are named anew, since other attempts may give theirs the same names.
  void add_lanes(const std::string& id, Attempt& attempt, Plan& plan) {
    attempt.context.survey = survey_;
    attempt.claim = declare_claim(id, attempt.context);
    auto lanes = attempt.claim->plan();
    prefix_recordings(lanes, std::to_string(planned_attempts_++) + "/");
    plan.insert(plan.end(), lanes.begin(), lanes.end());
  }

  /// The first line of what a step throws; empty when it throws nothing.
  static std::string what_throws(const std::function<void()>& step) {
    try {
      step();
    } catch (const std::exception& e) {
      return first_line(e.what());
    }
    return {};
  }

  /// Runs one step of a claim; what it throws becomes the claim's own error.
  static void guarded(ClaimRun& claim, const std::function<void()>& step) {
    if (auto error = what_throws(step); !error.empty()) claim.error = std::move(error);
  }

  // --- The survey ---------------------------------------------------------------------------------------

  /// False when the person interrupted it. What its pass throws, of damaged weights or numbers out of range, would stop
  /// every claim about this model and becomes the error of each: claims about training still run.
  bool survey(std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
    const auto file = folder.path() / "survey.json";
    const Surveyor surveyor;
    const auto lane = survey_lane(surveyor);
    const auto key = survey_key(lane);
    if (std::filesystem::exists(file)) {
      survey_ = survey_from_json(read_text(file), file.string());
      if (survey_.key == key) return true;
    }
    try {
      if (!pass({lane}, "survey", progress)) return false;
    } catch (const Error& error) {
      for (auto& claim : claims) claim.error = error.what();
      return true;
    }
    survey_ = surveyor.reduce(loaded_.model->config.layers, lane.tokens->size(1));
    survey_.key = key;
    write_atomically(file, survey_to_json(survey_));
    return true;
  }

  Lane survey_lane(const Surveyor& surveyor) {
    const InputShape shape{settings_.survey.integer("sequences"), settings_.survey.integer("length")};
    const auto inputs = maker_->make(InputKind::natural, shape, begins_with_bos(), Region::survey);
    return {loaded_.model, inputs.tokens, {}, surveyor.probes()};
  }

  std::string survey_key(const Lane& lane) const {
    const auto parts = loaded_.record.sha256 + (loaded_.record.reinitialised ? "/null/" : "/") +
                       (settings_.dtype == "float32" ? "" : settings_.dtype + "/") + std::to_string(settings_.seed) +
                       "/" + record_of(lane.tokens).sha256;
    return sha256_hex(std::as_bytes(std::span(parts)));
  }

  Survey assumed_survey() const {
    Survey assumed;
    assumed.assumed = true;
    for (int64_t l = 3; l <= loaded_.model->config.layers; ++l) assumed.sinks.sink_layers.push_back(l);
    assumed.sinks.spikes = {{2, 10, 100}};
    assumed.sinks.dominant_spike = 2;
    assumed.writers = {{2, {0}, true, {1}, {0, 1, 2, 3}, {4, 5, 6, 7}}};
    return assumed;
  }

  // --- Training ------------------------------------------------------------------------------------------

  /// Mechanism claims take minutes, training claims may take hours: they come last.
  static std::vector<ClaimRun> take_training_claims(std::vector<ClaimRun>& claims) {
    const auto first =
        std::stable_partition(claims.begin(), claims.end(), [](const ClaimRun& claim) { return !claim.trains(); });
    std::vector<ClaimRun> training(std::make_move_iterator(first), std::make_move_iterator(claims.end()));
    claims.erase(first, claims.end());
    return training;
  }

  /// Trains what the claims compare. False when the person interrupted it; what throws is every claim's error.
  bool train_for(std::vector<ClaimRun>& claims, Progress& progress) {
    if (given_) {
      for (auto& claim : claims) claim.inapplicable = "--tokens: the given ids say nothing of training";
      return true;
    }
    bool whole = true;
    const auto error = what_throws([&] {
      for (auto& claim : claims) claim.futile = futility(*claim.settings);
      const auto arms = arms_of(claims);
      if (!arms.empty()) whole = study().train(arms, progress);
    });
    for (auto& claim : claims) {
      if (claim.error.empty()) claim.error = error;
      if (error.empty()) claim.judged.context.training = &study().results();
    }
    return whole;
  }

  static std::vector<std::string> arms_of(const std::vector<ClaimRun>& claims) {
    std::vector<std::string> all;
    for (const auto& claim : claims) {
      if (!claim.futile.empty()) continue;
      const auto& arms = claim.settings->arms;
      all.insert(all.end(), arms.begin(), arms.end());
    }
    return all;
  }

  /// Why a training claim ends inconclusive whatever it measures: hours need not be spent on that. Empty where it may
  /// not.
  std::string futility(const ClaimSettings& settings) {
    if (settings_.training.flag("even_if_inconclusive") || settings.judging.criteria.empty()) return {};
    const auto seeds = planned_units(settings);
    if (seeds < settings.judging.minimum_n) {
      return "not trained: " + std::to_string(seeds) + " seeds of the baseline, " +
             std::to_string(settings.judging.minimum_n) + " needed";
    }
    const auto& planned = study().results();
    const double scale = planned.tokens(planned.steps) / static_cast<double>(parameters(planned.config));
    for (const auto& [name, least] : settings.judging.minimum_scale) {
      if (name != kTokensPerParameter || scale >= least) continue;
      char text[100];
      std::snprintf(text, sizeof text, "not trained: %.3g tokens a parameter, %.3g needed", scale, least);
      return text;
    }
    return {};
  }

  /// Units of sampling behind a claim's judged metrics.
  int64_t planned_units(const ClaimSettings& settings) const {
    if (settings.judging.kind == "training") return settings_.training.integer("seeds.baseline");
    if (given_) return given_->tokens->size(0);
    const auto& parameters = settings.parameters;
    return parameters.integer((parameters.has("judged_on") ? parameters.text("judged_on") : "natural") + ".sequences");
  }

  void add_training(std::vector<ClaimRun>& claims, CostTable& table) {
    if (const auto missing = what_throws([&] { study(); }); !missing.empty()) {
      table.add_failure("training", missing);
      study_ = make_study_to_time(settings_.training, settings_.seed, request_.training, request_.device);
    }
    const auto error = what_throws([&] {
      for (auto& claim : claims) {
        claim.futile = futility(*claim.settings);
        if (!claim.futile.empty()) table.add_failure(claim.settings->id, "inconclusive, " + claim.futile);
      }
      const auto steps = study().steps_left(arms_of(claims));
      const double seconds = steps > 0 ? study().measured_step_seconds() : 0;
      table.add_training(study().results().tokens(steps), static_cast<double>(steps) * study().step_flops(),
                         static_cast<double>(steps) * seconds);
    });
    if (!error.empty()) table.add_failure("training", error);
  }

  TrainingStudy& study() {
    if (!study_) {
      study_ = make_study(settings_.training, settings_.seed, request_.assets, request_.training, request_.device);
    }
    return *study_;
  }

  // --- Passes -------------------------------------------------------------------------------------------

  /// What throws here is no claim's own fault: a record that cannot be written. What was written stays.
  RunOutcome run_passes(std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
    for (auto& claim : claims) prepare(claim);
    try {
      const bool whole = run_looking(claims, folder, progress) && run_others(claims, folder, progress);
      return outcome(!whole);
    } catch (const Error& error) {
      auto stopped = outcome(false);
      stopped.failure = error.what();
      return stopped;
    }
  }

  /// False when the person interrupted it.
  bool pass(const Plan& plan, const std::string& stage, Progress& progress) {
    progress.begin(stage, estimate(plan, options_).flops);
    const bool whole = replicate::run(plan, options_, [&](double flops) {
      progress.advance(flops);
      return !interrupted();
    });
    progress.end();
    return whole;
  }

  /// Claims that only look run together: lanes on the same inputs become one forward pass.
  bool run_looking(std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
    Plan together;
    std::vector<ClaimRun*> looking;
    double flops = 0;
    for (auto& claim : claims) {
      if (!claim.looks_only() && claim.error.empty()) continue;
      looking.push_back(&claim);
      together.insert(together.end(), claim.plan.begin(), claim.plan.end());
      flops += claim.flops;
    }
    const double start = seconds_now();
    try {
      const auto stage = "observation for " + std::to_string(looking.size()) + " claims";
      if (!together.empty() && !pass(together, stage, progress)) return false;
    } catch (const std::exception& e) {
      log_warn("the shared pass failed (" + first_line(e.what()) + "); running its claims one by one");
      return run_apart(looking, folder, progress);
    }
    const double seconds = seconds_now() - start;
    for (auto* claim : looking) {
      claim->seconds = flops > 0 ? seconds * claim->flops / flops : 0;
      finish(*claim, folder, progress);
    }
    return true;
  }

  /// Declared anew: the failed pass left partial data in the probes.
  bool run_apart(const std::vector<ClaimRun*>& looking, const RunFolder& folder, Progress& progress) {
    for (auto* claim : looking) {
      if (claim->error.empty()) {
        *claim = this->start(*claim->settings);
        prepare(*claim);
      }
      if (!run_alone(*claim, folder, progress)) return false;
    }
    return true;
  }

  bool run_others(std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
    for (auto& claim : claims) {
      if (records_.count(claim.settings->id)) continue;
      if (!run_alone(claim, folder, progress)) return false;
    }
    return true;
  }

  bool run_alone(ClaimRun& claim, const RunFolder& folder, Progress& progress) {
    const double start = seconds_now();
    bool whole = true;
    if (claim.error.empty()) {
      guarded(claim, [&] { whole = pass(claim.plan, claim.settings->id, progress); });
    }
    if (!whole) return false;
    claim.seconds = seconds_now() - start;
    finish(claim, folder, progress);
    return true;
  }

  // --- Records ------------------------------------------------------------------------------------------

  void finish(ClaimRun& claim, const RunFolder& folder, Progress& progress) {
    const double start = seconds_now();
    auto record = blank_record(*claim.settings);
    record.inputs = inputs_of(claim);
    if (claim.error.empty()) {
      guarded(claim, [&] {
        record.measurement = measured(claim);
        add_dtype_errors(claim, record.measurement);
        auto& notes = record.measurement.notes;
        notes.insert(notes.begin(), claim.settings->notes.begin(), claim.settings->notes.end());
        if (const auto note = claim.trains() ? std::nullopt : note_on_bos()) notes.insert(notes.begin(), *note);
        apply(judge(record.measurement, claim.settings->judging), record);
        for (size_t i = 0; i < claim.sweep.size(); ++i) add_sweep_point(claim, i, record);
      });
    }
    if (!claim.error.empty()) {
      record.verdict = Verdict::error;
      record.reason = claim.error;
    }
    record.seconds = claim.seconds + seconds_now() - start;
    record.peak_memory_mb = peak_memory_mb();
    write_record(record, folder.claim(record.claim));
    log_info(record.claim + ": " + to_string(record.verdict) + ": " + record.reason);
    progress.line(record.claim + ": " + to_string(record.verdict));
    records_[record.claim] = std::move(record);
    claim.judged.claim.reset();  // with its probes' accumulators
    claim.sweep.clear();
    claim.dtypes.clear();
    claim.plan.clear();
  }

  static Measurement measured(ClaimRun& claim) {
    if (claim.inapplicable.empty() && claim.futile.empty()) return claim.judged.claim->measure();
    Measurement nothing;
    if (!claim.inapplicable.empty()) nothing.inapplicable = claim.inapplicable;
    if (!claim.futile.empty()) nothing.unmet = claim.futile;
    return nothing;
  }

  static std::set<std::string> judged_metrics(const Judging& judging) {
    std::set<std::string> names;
    for (const auto& criterion : judging.criteria) names.insert(criterion.metric);
    for (const auto& control : judging.controls) names.insert({control.metric, control.of});
    return names;
  }

  /// How far the run's dtype moves each judged metric, on the same few sequences.
  static void add_dtype_errors(ClaimRun& claim, Measurement& measurement) {
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
  static void add_sweep_point(ClaimRun& claim, size_t index, Record& record) {
    const auto& settings = claim.settings->sweep[index];
    auto& attempt = claim.sweep[index];
    SweepPoint point{settings.suffix, settings.changes, Verdict::error, attempt.error};
    const auto error = what_throws([&] {
      if (!attempt.error.empty()) return;
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

  Record blank_record(const ClaimSettings& settings) {
    Record record;
    record.claim = settings.id;
    record.title = settings.title;
    record.kind = settings.judging.kind;
    record.paper = settings.paper;
    record.calibration = settings.calibration;
    record.calibrated = settings.calibrated;
    if (settings.registered) record.registered = settings.registered->reference;
    record.error_rates = settings.error_rates;
    record.model =
        record.kind == "training" ? model_record(settings_.training, settings_.seed, request_.device) : loaded_.record;
    record.seed = settings_.seed;
    record.profile = settings_.profile;
    record.caution = settings_.caution;
    record.environment = environment();
    record.panels = settings.panels;
    record.arithmetic = settings.arithmetic;
    record.otherwise = settings.otherwise;
    record.deviations = settings.deviations;
    record.parameters = settings.parameters.yaml();
    record.fingerprint = fingerprint(settings);
    record.thresholds_sha256 = thresholds_sha256(settings.judging);
    record.criteria = settings.judging.criteria;
    record.controls = settings.judging.controls;
    record.command = request_.command + " --only '^" + settings.id + "$'";
    if (settings.known) {
      record.known_verdict = settings.known->verdict;
      record.known_why = settings.known->why;
    }
    return record;
  }

  Environment environment() const {
    return {.version = version(),
            .commit = commit(),
            .libtorch = TORCH_VERSION,
            .compiler = compiler(),
            .device = description(request_.device),
            .cpu = cpu_name(),
            .dtype = settings_.dtype,
            .threads = at::get_num_threads()};
  }

  /// The inputs of a claim's lanes, each once, in the order of the plan.
  std::vector<InputsRecord> inputs_of(const ClaimRun& claim) const {
    std::vector<InputsRecord> all;
    for (const auto& lane : claim.plan) {
      auto inputs = record_of(lane.tokens);
      const bool known = std::any_of(all.begin(), all.end(), [&](const InputsRecord& other) {
        return other.label == inputs.label && other.length == inputs.length && other.sha256 == inputs.sha256;
      });
      if (!known) all.push_back(std::move(inputs));
    }
    return all;
  }

  InputsRecord record_of(const Tokens& tokens) const {
    if (given_ && tokens == given_->tokens) return given_->record;
    for (const auto& [seed, maker] : other_makers_) {
      if (const auto* record = maker->find(tokens)) return *record;
    }
    if (const auto* record = maker_->find(tokens)) return *record;
    if (const auto* record = study_ ? study_->find(tokens) : nullptr) return *record;
    throw Error("a lane has inputs that were not made here", "inputs", "correct the experiment");
  }

  RunOutcome outcome(bool interrupted) {
    RunOutcome outcome{{}, interrupted, {}};
    for (const auto& settings : settings_.claims) {
      if (const auto found = records_.find(settings.id); found != records_.end()) {
        outcome.records.push_back(found->second);
      }
    }
    return outcome;
  }

  const RunRequest& request_;
  const Settings& settings_;
  LoadedModel loaded_;
  std::shared_ptr<InputMaker> maker_;
  std::map<uint64_t, std::shared_ptr<InputMaker>> other_makers_;  // by the seed of a sweep point
  std::optional<Inputs> given_;
  std::unique_ptr<TrainingStudy> study_;  // made when a training claim wants it
  ExecutorOptions options_;
  Survey survey_;
  std::string prose_sha256_;
  int64_t planned_attempts_ = 0;
  std::map<std::string, Record> records_;  // by claim
};

}  // namespace

/// Records of an earlier run would be reported as this one's.
void refuse_used_folder(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!std::filesystem::exists(entry.path() / "record.json")) continue;
    throw Error("the folder already holds records of a run", folder.string(),
                "use --resume to go on with it, or another --out");
  }
}

RunOutcome run_claims(const RunRequest& request, Progress& progress) {
  if (!request.resume) refuse_used_folder(request.out);
  Runner runner(request);
  const RunFolder folder(request.out, kRunBytes);
  log_to(folder.path() / "log.txt");
  write_atomically(folder.path() / "config.yaml", runner.config());
  if (request.tokens) write_atomically(folder.path() / kTokensFile, read_text(*request.tokens));
  return runner.run(folder, progress);
}

std::string dry_run(const RunRequest& request) { return Runner(request).dry_run(); }

}  // namespace replicate
