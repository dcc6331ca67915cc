#pragma once

// From settings to records: load, survey, call the claims, run their passes, call their reports, judge, write.

#include "base/progress.h"
#include "base/run_folder.h"
#include "harness/inputs/given.h"
#include "harness/inputs/loading.h"
#include "models/core/executor.h"

namespace replicate {

/// In the run folder: the token ids that the user gave, or that the given text has.
inline constexpr const char* kTokensFile = "tokens.jsonl";

struct RunRequest {
  Settings settings;
  std::filesystem::path assets;
  std::optional<GivenSource> given;  ///< in place of the program's own inputs
  at::Device device = at::kCPU;
  std::filesystem::path out;       ///< the run folder; made once model and tokens were checked
  std::filesystem::path training;  ///< where training runs are kept, for other runs to use
  bool resume = false;             ///< keep finished claims found in the folder
  bool save_inputs = false;        ///< write the token ids of what is measured beside the records
  std::string command;             ///< how to repeat one claim; its id is appended
};

struct RunOutcome {
  std::vector<Record> records;  ///< of every claim that ended, in the order of the settings
  bool interrupted = false;     ///< the person stopped it: some claims are missing
  std::string failure;          ///< what stopped it once claims ran (a full disk); empty: nothing did
};

/// Runs the claims. Claims that only look (no lane of theirs is patched) share one pass; each other claim
/// has a pass of its own with its baselines in it. A record is written as soon as its claim has reported. One
/// claim's failure becomes its `error` record; the others go on. Throws Error for what stops all of them
/// before any has run: no model, no inputs, no room.
RunOutcome run_claims(const RunRequest& request, Progress& progress);

/// What would run, how long it would take here and how much memory: a table. A survey that takes no longer than a
/// minute is made, no claim is run, and nothing is written.
std::string dry_run(const RunRequest& request);

}  // namespace replicate
