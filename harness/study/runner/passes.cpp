#include "harness/study/runner/passes.h"

#include "base/error.h"
#include "base/first_line.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/number_text.h"
#include "base/provenance.h"
#include "base/stopwatch.h"
#include "harness/study/runner/measured_record.h"
#include "harness/study/runner/saved_inputs.h"

namespace replicate {
namespace {

void save_inputs(const ClaimRun& claim, const RunFolder& folder) {
  const auto own = folder.claim(claim.settings->id);
  std::filesystem::create_directories(own);
  write_atomically(own / kInputsFile, inputs_jsonl(claim.plan));
}

void finish(Session& session, ClaimRun& claim, const RunFolder& folder, Progress& progress) {
  const Stopwatch watch;
  auto record = blank_record(session, *claim.settings);
  record.inputs = inputs_of(claim);
  if (claim.error.empty()) {
    guarded(claim, [&] { measure_and_judge(session, claim, record); });
  }
  if (!claim.error.empty()) {
    record.verdict = Verdict::error;
    record.reason = claim.error;
  }
  record.seconds = claim.seconds + watch.seconds();
  record.peak_memory_mb = peak_memory_mb();
  if (session.request.save_inputs) save_inputs(claim, folder);
  write_record(record, folder.claim(record.claim));
  log_info(record.claim + ": " + to_string(record.verdict) + ": " + record.reason);
  progress.line(record.claim + ": " + to_string(record.verdict));
  session.records[record.claim] = std::move(record);
  claim.judged.claim.reset();  // with its probes' accumulators
  claim.stages.clear();
  claim.sweep.clear();
  claim.dtypes.clear();
  claim.plan.clear();
}

bool run_alone(Session& session, ClaimRun& claim, const RunFolder& folder, Progress& progress) {
  const Stopwatch watch;
  bool whole = true;
  if (claim.error.empty()) {
    guarded(claim, [&] { whole = pass(session, claim.plan, claim.settings->id, progress); });
  }
  if (!whole) return false;
  claim.seconds = watch.seconds();
  finish(session, claim, folder, progress);
  return true;
}

/// Declared anew: the failed pass left partial data in the probes.
bool run_apart(Session& session, const std::vector<ClaimRun*>& looking, const RunFolder& folder, Progress& progress) {
  for (auto* claim : looking) {
    prepare(session, *claim);
    if (!run_alone(session, *claim, folder, progress)) return false;
  }
  return true;
}

/// Claims that only look run together: lanes on the same inputs become one forward pass.
bool run_looking(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
  Plan together;
  std::vector<ClaimRun*> looking;
  double flops = 0;
  for (auto& claim : claims) {
    if (!claim.looks_only() && claim.error.empty()) continue;
    looking.push_back(&claim);
    if (!claim.error.empty()) continue;  // it failed while it declared its passes
    together.insert(together.end(), claim.plan.begin(), claim.plan.end());
    flops += claim.flops;
  }
  const Stopwatch watch;
  try {
    const auto stage = "observing (" + std::to_string(looking.size()) + " claims share this pass)";
    if (!together.empty() && !pass(session, together, stage, progress)) return false;
  } catch (const std::exception& e) {
    log_warn("the shared pass failed (" + first_line(e.what()) + "); running its claims one by one");
    return run_apart(session, looking, folder, progress);
  }
  const double seconds = watch.seconds();
  for (auto* claim : looking) {
    claim->seconds = flops > 0 ? seconds * claim->flops / flops : 0;
    finish(session, *claim, folder, progress);
  }
  return true;
}

bool run_others(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
  for (auto& claim : claims) {
    if (session.records.count(claim.settings->id)) continue;
    if (!run_alone(session, claim, folder, progress)) return false;
  }
  return true;
}

}  // namespace

bool pass(const Session& session, const Plan& plan, const std::string& stage, Progress& progress) {
  const double flops = estimate(plan, session.options).flops;
  const Stopwatch watch;
  progress.begin(stage, flops);
  const bool whole = replicate::run(plan, session.options, [&](double done) {
    progress.advance(done);
    return !interrupted();
  });
  progress.end();
  log_info(stage + ": " + significant_text(flops / 1e12, 4) + " TFLOP in " + fixed_text(watch.seconds(), 1) + " s");
  return whole;
}

RunOutcome run_passes(Session& session, std::vector<ClaimRun>& claims, const RunFolder& folder, Progress& progress) {
  for (auto& claim : claims) prepare(session, claim);
  try {
    const bool whole = run_looking(session, claims, folder, progress) && run_others(session, claims, folder, progress);
    return outcome(session, !whole);
  } catch (const Error& error) {
    auto stopped = outcome(session, false);
    stopped.failure = error.what();
    return stopped;
  }
}

RunOutcome outcome(const Session& session, bool interrupted) {
  RunOutcome outcome{{}, interrupted, {}};
  for (const auto& settings : session.settings.claims) {
    if (const auto found = session.records.find(settings.id); found != session.records.end()) {
      outcome.records.push_back(found->second);
    }
  }
  return outcome;
}

}  // namespace replicate
