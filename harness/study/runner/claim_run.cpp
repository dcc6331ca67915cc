#include "harness/study/runner/claim_run.h"

#include <algorithm>

#include "base/error.h"
#include "base/first_line.h"
#include "harness/study/prefix_recordings.h"

namespace replicate {
namespace {

/// Recordings are named anew, since other attempts may give theirs the same names.
void add_lanes(Session& session, const std::string& id, Attempt& attempt, Plan& plan) {
  attempt.claim = declare_claim(id, attempt.context);
  auto lanes = attempt.claim->plan();
  prefix_recordings(lanes, std::to_string(session.attempts++) + "/");
  plan.insert(plan.end(), lanes.begin(), lanes.end());
}

/// What the survey of its inputs found, and the first stage with a sink for a claim that is bound to one.
void bind_first(const Session& session, const ClaimSettings& settings, Attempt& attempt) {
  auto& context = attempt.context;
  if (const auto found = session.surveys.find(session.survey_for(context)); found != session.surveys.end()) {
    context.survey = found->second;
  }
  context.stages.clear();
  if (!is_staged(settings)) return;
  const auto stages = stages_with_sinks(context.survey.stages);
  if (!stages.empty()) context.stages = {stages.front()};
}

/// The judged call again at each other stage, and at all of them together.
std::vector<Attempt> other_stages(const ClaimSettings& settings, const Context& judged) {
  std::vector<Attempt> attempts;
  const auto stages = stages_with_sinks(judged.survey.stages);
  if (!is_staged(settings) || stages.size() < 2) return attempts;
  const auto add = [&](std::vector<SinkStage> bound) {
    attempts.push_back({judged});
    attempts.back().context.stages = std::move(bound);
    attempts.back().context.reports_others = false;
  };
  for (size_t i = 1; i < stages.size(); ++i) add({stages[i]});
  if (settings.judging.requirements->stages == StageCalls::each_and_all) add(stages);
  return attempts;
}

/// The first pair's other stages; one survey binds both of its calls, so that they have the same.
void add_dtype_stages(const ClaimSettings& settings, std::vector<DtypePair>& pairs) {
  auto reduced = other_stages(settings, pairs.front().reduced.context);
  auto exact = other_stages(settings, pairs.front().exact.context);
  for (size_t i = 0; i < reduced.size(); ++i) pairs.push_back({std::move(reduced[i]), std::move(exact.at(i))});
}

/// Why a variation would measure nothing new, or nothing at all.
std::string why_left_out(const Session& session, const SweepSettings& point) {
  if (!point.bos) return {};
  if (*point.bos == session.begins_with_bos()) {
    return std::string("it changes nothing: natural inputs begin with") + (*point.bos ? " BOS" : "out BOS");
  }
  return *point.bos && !session.maker->has_bos() ? "the vocabulary has no BOS" : "";
}

/// A variation that cannot be measured takes nothing else with it.
Attempt variation(Session& session, const ClaimSettings& settings, const SweepSettings& point) {
  Attempt attempt{.context = session.context_for(settings), .left_out = why_left_out(session, point)};
  if (!attempt.left_out.empty()) return attempt;
  attempt.left_out = what_throws([&] { attempt.context = session.context_for(settings, point); });
  return attempt;
}

}  // namespace

bool is_staged(const ClaimSettings& settings) {
  const auto& requirements = settings.judging.requirements;
  return requirements && requirements->stages != StageCalls::once;
}

bool ClaimRun::looks_only() const {
  return std::all_of(plan.begin(), plan.end(), [](const Lane& lane) { return lane.patches.empty(); });
}

ClaimRun start(Session& session, const ClaimSettings& settings) {
  const auto registered = claim_registry().find(settings.id);
  if (registered == claim_registry().end() || !registered->second.judged) {
    throw Error("no claim is registered under '" + settings.id + "'", "configs/claims",
                "add experiments/" + settings.id + ".cpp");
  }
  check_parameters(settings.id, settings.parameters);
  ClaimRun run{&settings, {session.context_for(settings)}};
  if (settings.dtype_check) {
    run.dtypes.push_back({{session.context_for(settings, *settings.dtype_check)},
                          {session.context_for(settings, *settings.dtype_check)}});
    use(*session.loaded.exact, run.dtypes.back().exact.context);
  }
  if (session.given.judged) return run;
  for (const auto& point : settings.sweep) {
    run.sweep.push_back(variation(session, settings, point));
  }
  return run;
}

void prepare(Session& session, ClaimRun& claim) {
  if (!claim.error.empty() || !claim.inapplicable.empty() || !claim.futile.empty()) return;
  guarded(claim, [&] {
    claim.plan.clear();
    const auto& settings = *claim.settings;
    const auto declare = [&](Attempt& attempt) { add_lanes(session, settings.id, attempt, claim.plan); };
    const auto bind_and_declare = [&](Attempt& attempt) {
      bind_first(session, settings, attempt);
      declare(attempt);
    };
    bind_and_declare(claim.judged);
    claim.stages = other_stages(settings, claim.judged.context);
    for (auto& attempt : claim.stages) declare(attempt);
    if (!claim.dtypes.empty()) {
      claim.dtypes.erase(claim.dtypes.begin() + 1, claim.dtypes.end());
      bind_and_declare(claim.dtypes.front().reduced);
      bind_and_declare(claim.dtypes.front().exact);
      add_dtype_stages(settings, claim.dtypes);
      for (auto pair = claim.dtypes.begin() + 1; pair != claim.dtypes.end(); ++pair) {
        declare(pair->reduced);
        declare(pair->exact);
      }
    }
    for (auto& attempt : claim.sweep) {
      if (attempt.left_out.empty()) attempt.error = what_throws([&] { bind_and_declare(attempt); });
    }
    claim.flops = estimate(claim.plan, session.options).flops;
  });
}

std::string what_throws(const std::function<void()>& step) {
  try {
    step();
  } catch (const std::exception& e) {
    return first_line(e.what());
  }
  return {};
}

void guarded(ClaimRun& claim, const std::function<void()>& step) {
  if (auto error = what_throws(step); !error.empty()) claim.error = std::move(error);
}

}  // namespace replicate
