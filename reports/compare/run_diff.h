#pragma once

// Two runs beside each other: what a nightly job or a referee has to look at.

#include <filesystem>
#include <string>
#include <vector>

#include "harness/record/record.h"

namespace replicate::report {

/// One thing that is otherwise in the second run.
struct Difference {
  /// The gravest first.
  enum class Kind {
    verdict,    ///< flipped
    missing,    ///< the claim is in one run only
    metric,     ///< a judged metric drifted beyond noise
    threshold,  ///< criteria or controls were changed: the verdicts do not compare
    inputs,     ///< other ids, model or parameters: the numbers are of something else
    others,     ///< metrics that are not judged drifted, told together
    memory,     ///< needed more
    time,       ///< took longer
  };
  Kind kind;
  std::string claim, text;
};

struct RunDiff {
  std::filesystem::path before, after;
  std::vector<std::string> compared;  ///< claims that both runs hold
  std::vector<Difference> differences;
};

/// Time and memory are the machine's: they are shown and decide nothing.
bool is_cost(Difference::Kind kind);

/// Whether `diff` ends with 1: anything but cost differs.
bool anything_changed(const RunDiff& diff);

/// Whether `reproduce` ends with 1: other numbers, or another verdict under the same thresholds.
bool numbers_disagree(const RunDiff& diff);

/// Of the records of two run folders: the gravest first, and of one kind by claim. Metrics are compared
/// - on the same ids with their samples: a paired t interval of the differences, sequence by sequence, leaves 0 out;
/// - on the same ids without: they differ by more than a tenth of the wider half of their intervals;
/// - on other ids: by more than both halves, added in quadrature.
/// Below 1 part in 1000 nothing is a drift: another machine's arithmetic moves numbers by less. Time counts from 10 s
/// and half as much again, memory from a quarter more.
RunDiff diff_runs(const std::filesystem::path& before, const std::filesystem::path& after);

/// Each ends with one line of counts.
std::string diff_text(const RunDiff& diff);
std::string diff_markdown(const RunDiff& diff);
std::string diff_junit(const RunDiff& diff);

}  // namespace replicate::report
