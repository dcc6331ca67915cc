#include "harness/study/runner/claim_run.h"

#include <algorithm>

#include "base/error.h"
#include "base/first_line.h"
#include "harness/study/prefix_recordings.h"

namespace replicate {
namespace {

/// Recordings are named anew, since other attempts may give theirs the same names.
void add_lanes(Session& session, const std::string& id, Attempt& attempt, Plan& plan) {
  attempt.context.survey = session.survey;
  attempt.claim = declare_claim(id, attempt.context);
  auto lanes = attempt.claim->plan();
  prefix_recordings(lanes, std::to_string(session.attempts++) + "/");
  plan.insert(plan.end(), lanes.begin(), lanes.end());
}

}  // namespace

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
    for (const ModelAndNulls& models : {static_cast<const ModelAndNulls&>(session.loaded), *session.loaded.exact}) {
      run.dtypes.push_back({session.context_for(settings, *settings.dtype_check)});
      use(models, run.dtypes.back().context);
    }
  }
  if (session.given) return run;
  for (const auto& point : settings.sweep) run.sweep.push_back({session.context_for(settings, point)});
  return run;
}

void prepare(Session& session, ClaimRun& claim) {
  if (!claim.error.empty() || !claim.inapplicable.empty() || !claim.futile.empty()) return;
  guarded(claim, [&] {
    claim.plan.clear();
    const auto declare = [&](Attempt& attempt) { add_lanes(session, claim.settings->id, attempt, claim.plan); };
    declare(claim.judged);
    for (auto& attempt : claim.dtypes) declare(attempt);
    for (auto& attempt : claim.sweep) attempt.error = what_throws([&] { declare(attempt); });
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
