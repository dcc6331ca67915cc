#include "harness/study/runner/survey_stage.h"

#include "base/first_line.h"
#include "base/sha256.h"
#include "harness/record/clauses.h"
#include "harness/study/runner/passes.h"
#include "harness/study/runner/saved_inputs.h"

namespace replicate {
namespace {

std::string survey_key(const Session& session, const Lane& lane) {
  const auto parts = session.loaded.record.sha256 + (session.loaded.record.reinitialised ? "/null/" : "/") +
                     (session.settings.dtype == "float32" ? "" : session.settings.dtype + "/") + session.noise() +
                     std::to_string(session.settings.seed) + "/" + text_of(session.settings.rules) +
                     lane.tokens->sha256;
  return sha256_hex(std::as_bytes(std::span(parts)));
}

/// One survey on its way.
struct SurveyRun {
  SurveyInputs inputs;
  Surveyor surveyor;
  Lane lane;
  std::filesystem::path file;
  std::string key;
};

SurveyRun survey_run(Session& session, const SurveyInputs& inputs, const RunFolder& folder) {
  SurveyRun run{inputs, Surveyor(session.settings.rules), {}, {}, {}};
  run.lane = survey_lane(session, inputs, run.surveyor);
  const bool is_main = inputs == session.main_survey();
  run.file = folder.path() / (is_main ? "survey.json" : "survey_" + inputs.label() + ".json");
  run.key = survey_key(session, run.lane);
  return run;
}

/// True where an earlier run made the survey.
bool kept(Session& session, const SurveyRun& run) {
  if (!std::filesystem::exists(run.file)) return false;
  auto survey = survey_from_json(read_text(run.file), run.file.string());
  if (survey.key != run.key) return false;
  session.surveys[run.inputs] = std::move(survey);
  return true;
}

void save_inputs(const SurveyRun& run) {
  const auto name = run.file.stem().string() + "_" + kInputsFile;
  write_atomically(run.file.parent_path() / name, inputs_jsonl({run.lane}));
}

void finish(Session& session, const SurveyRun& run) {
  auto& survey = session.surveys[run.inputs];
  survey = run.surveyor.reduce(session.loaded.model->config.layers, run.lane.tokens->length());
  survey.key = run.key;
  write_atomically(run.file, survey_to_json(survey));
}

/// The claims that are judged on these inputs, and the variations that need them, end with what went wrong.
void fail_where_needed(const Session& session, const SurveyInputs& inputs, const std::string& error,
                       std::vector<ClaimRun>& claims) {
  for (auto& claim : claims) {
    const auto needs = [&](const Attempt& attempt) { return session.survey_for(attempt.context) == inputs; };
    if (needs(claim.judged)) claim.error = error;
    for (auto& attempt : claim.sweep) {
      if (needs(attempt)) attempt.left_out = error;
    }
  }
}

/// The surveys that are not yet made.
std::vector<SurveyRun> open_surveys(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder) {
  std::vector<SurveyRun> open;
  for (const auto& inputs : surveys_of(session, claims)) {
    const auto error = what_throws([&] {
      auto run = survey_run(session, inputs, folder);
      if (session.request.save_inputs) save_inputs(run);
      if (!kept(session, run)) open.push_back(std::move(run));
    });
    if (!error.empty()) fail_where_needed(session, inputs, error, claims);
  }
  return open;
}

Survey assumed_survey(const Session& session) {
  Survey assumed;
  assumed.assumed = true;
  for (int64_t l = 3; l <= session.loaded.model->config.layers; ++l) assumed.sinks.sink_layers.push_back(l);
  assumed.sinks.spikes = {{2, 10, 100}};
  assumed.sinks.dominant_spike = 2;
  assumed.writers = {{2, {0}, true, {1}, {0, 1, 2, 3}, {4, 5, 6, 7}}};
  assumed.stages = {
      {.spike = 2, .first = 3, .last = session.loaded.model->config.layers, .sinks = assumed.sinks.sink_layers}};
  assumed.stage_writers = {{.spike = 2, .neurons = {0}, .by_rule = true, .dimensions = {0, 1, 2, 3, 4, 5, 6, 7}}};
  assumed.ratio.assign(session.loaded.model->config.layers + 1, 1);
  assumed.rest_norm = assumed.excess = assumed.ratio;
  return assumed;
}

}  // namespace

bool survey(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
  try {
    const auto open = open_surveys(session, claims, folder);
    Plan plan;
    for (const auto& run : open) plan.push_back(run.lane);
    if (!plan.empty() && !pass(session, plan, "survey", progress)) return false;
    for (const auto& run : open) finish(session, run);
  } catch (const std::exception& error) {
    for (auto& claim : claims) claim.error = first_line(error.what());
  }
  return true;
}

std::string text_of(const SurveyRules& rules) {
  const auto& [stages, super] = rules;
  std::string text;
  for (const double number : {stages.starts_at, stages.ends_below, stages.sink_excess, super.norm_z, super.kurtosis,
                              super.selectivity, static_cast<double>(super.else_largest)}) {
    text += exact_number(number) + "/";
  }
  return text;
}

std::set<SurveyInputs> surveys_of(Session& session, const std::vector<ClaimRun>& claims) {
  std::set<SurveyInputs> all;
  for (const auto& claim : claims) {
    const auto add = [&](const Attempt& attempt) { all.insert(session.survey_for(attempt.context)); };
    add(claim.judged);
    for (const auto& attempt : claim.sweep) {
      if (attempt.left_out.empty()) add(attempt);
    }
  }
  return all;
}

Lane survey_lane(Session& session, const SurveyInputs& inputs, const Surveyor& surveyor) {
  if (session.given.set_aside) return {session.loaded.model, session.given.set_aside, {}, surveyor.probes()};
  const auto& sizes = session.settings.survey;
  const InputShape shape{sizes.integer("sequences"),
                         sizes.integer(inputs.kind == InputKind::random ? "random_length" : "length")};
  const auto tokens = session.maker->make(inputs.kind, shape, inputs.bos, Region::survey);
  return {session.loaded.model, tokens, {}, surveyor.probes()};
}

PlannedSurveys plan_surveys(Session& session, const std::vector<ClaimRun>& claims, double most_flops) {
  PlannedSurveys planned;
  std::vector<std::pair<SurveyInputs, Surveyor>> surveys;
  for (const auto& inputs : surveys_of(session, claims)) {
    surveys.emplace_back(inputs, Surveyor(session.settings.rules));
    planned.plan.push_back(survey_lane(session, inputs, surveys.back().second));
  }
  if (estimate(planned.plan, session.options).flops <= most_flops) {
    planned.error = what_throws([&] { planned.made = pass(session, planned.plan, "survey", *make_progress()); });
  }
  for (size_t i = 0; i < surveys.size(); ++i) {
    const auto& [inputs, surveyor] = surveys[i];
    session.surveys[inputs] =
        planned.made ? surveyor.reduce(session.loaded.model->config.layers, planned.plan[i].tokens->length())
                     : assumed_survey(session);
  }
  return planned;
}

}  // namespace replicate
