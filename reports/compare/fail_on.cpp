#include "reports/compare/fail_on.h"

#include <algorithm>

#include "base/exit_codes.h"
#include "reports/findings.h"
#include "reports/report.h"

namespace replicate::report {
namespace {

std::optional<Verdict> expected(const Record& record, const FailOn& fail_on) {
  if (!fail_on.before) return known_outcome(record);
  const auto found = fail_on.before->find(record.claim);
  return found == fail_on.before->end() ? std::nullopt : std::optional(found->second);
}

/// Records of schema 1 have one word for all that was not judged.
bool is_same(Verdict before, Verdict now) {
  return before == now || (before == Verdict::skipped && now != Verdict::error && is_unjudged(now));
}

}  // namespace

FailOn read_fail_on(const std::string& word, const std::optional<std::filesystem::path>& against) {
  FailOn fail_on;
  if (word == "any") fail_on.what = FailOn::What::failed;
  if (word == "new") fail_on.what = FailOn::What::changed;
  if (!against) return fail_on;
  fail_on.before.emplace();
  for (const Record& record : read_run(*against)) fail_on.before->emplace(record.claim, record.verdict);
  return fail_on;
}

std::optional<Verdict> known_outcome(const Record& record) {
  const auto& recorded = record.recorded;
  const bool same =
      recorded && recorded->profile == record.profile && recorded->thresholds_sha256 == record.thresholds_sha256;
  return same ? std::optional(recorded->verdict) : std::nullopt;
}

std::optional<std::string> failure(const Record& record, const FailOn& fail_on) {
  if (record.verdict == Verdict::error || fail_on.what == FailOn::What::none) return std::nullopt;
  if (fail_on.what == FailOn::What::failed) {
    return record.verdict == Verdict::fail ? std::optional(record.reason) : std::nullopt;
  }
  const auto before = expected(record, fail_on);
  if (!before || is_same(*before, record.verdict)) return std::nullopt;
  return to_string(*before) + " became " + to_string(record.verdict) + ": " + record.reason;
}

int exit_code(const std::vector<Record>& records, const FailOn& fail_on) {
  const auto is_error = [](const Record& record) { return record.verdict == Verdict::error; };
  if (std::any_of(records.begin(), records.end(), is_error)) return kBroken;
  const auto fails = [&](const Record& record) { return failure(record, fail_on).has_value(); };
  return std::any_of(records.begin(), records.end(), fails) ? kFailed : 0;
}

}  // namespace replicate::report
