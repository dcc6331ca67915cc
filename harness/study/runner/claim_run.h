#pragma once

#include "harness/study/claim.h"
#include "harness/study/runner/session.h"

namespace replicate {

/// One call of a claim: as it is judged, at another stage of the model, or with something changed.
struct Attempt {
  Context context;
  std::unique_ptr<Claim> claim = {};  // once it was declared
  std::string error = {};             // why it cannot run: at a point of a sweep that is the point's alone
  std::string left_out = {};          // why a point of a sweep is not measured, if so
};

/// The same call in the run's dtype and in float32, on few sequences.
struct DtypePair {
  Attempt reduced, exact;
};

/// One claim on its way from settings to record.
struct ClaimRun {
  const ClaimSettings* settings;
  Attempt judged;
  std::vector<Attempt> stages = {};    // at the model's other stages, and at all together
  std::vector<Attempt> sweep = {};     // as settings->sweep
  std::vector<DtypePair> dtypes = {};  // of the judged call, then of each of `stages`; empty where the dtype is float32
  Plan plan = {};                      // of all attempts
  double flops = 0;
  double seconds = 0;
  std::string error = {};         // why it ended, if it did
  std::string inapplicable = {};  // why it has nothing to say here, if so
  std::string futile = {};        // why it would be inconclusive whatever was trained, if so

  bool trains() const { return settings->judging.kind == ClaimKind::training; }
  bool looks_only() const;
};

/// Whether the claim is bound to a spike, and so measured per stage.
bool is_staged(const ClaimSettings& settings);

/// A claim that is bound to its inputs and declares nothing yet. Error when none is registered under its id, or when it
/// does not read a parameter that its YAML has.
ClaimRun start(Session& session, const ClaimSettings& settings);

/// Calls the claim's functions, which need the survey or what was trained, and estimates what they declare. Called
/// again, it starts over with fresh probes. Does nothing for a claim that has an error or a reason not to run.
void prepare(Session& session, ClaimRun& claim);

/// The first line of what a step throws, since LibTorch appends a stack trace; empty when it throws nothing.
std::string what_throws(const std::function<void()>& step);

/// Runs one step of a claim; what it throws becomes the claim's own error.
void guarded(ClaimRun& claim, const std::function<void()>& step);

}  // namespace replicate
