#pragma once

// --fail-on: which records make a run end with exit code 1. A failed claim is a result, so by default none does.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/record/record.h"

namespace replicate::report {

struct FailOn {
  enum class What {
    none,
    failed,   ///< a claim whose verdict is `fail`
    changed,  ///< a verdict that differs from an earlier one
  };
  What what = What::none;
  std::optional<std::map<std::string, Verdict>> before = {};  ///< the verdicts of --against, by claim
};

/// From --fail-on none|any|new and --against. Error if the folder holds no records.
FailOn read_fail_on(const std::string& word, const std::optional<std::filesystem::path>& against);

/// The verdict last recorded for this model, or for this profile's training, with this profile and these thresholds;
/// nothing if there is none. A list of known verdicts without a profile does not count: fewer sequences may say less.
std::optional<Verdict> known_outcome(const Record& record);

/// Why this record makes the run end with 1, in one sentence; nothing if it does not. An `error` never does: it has a
/// code of its own.
std::optional<std::string> failure(const Record& record, const FailOn& fail_on);

/// What a run of claims ends with. 3: a claim ended in an error; 1: some record is a failure; 0: what was asked was
/// measured.
int exit_code(const std::vector<Record>& records, const FailOn& fail_on);

}  // namespace replicate::report
