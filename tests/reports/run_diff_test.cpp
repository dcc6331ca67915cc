#include "reports/compare/run_diff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace replicate::report {
namespace {

using Kind = Difference::Kind;

/// A claim with one judged metric and one that is not, each with samples.
Record record(const std::string& claim = "sink_onset") {
  Record r;
  r.claim = claim;
  r.kind = ClaimKind::mechanism;
  r.model.name = "small";
  r.model.sha256 = std::string(64, 'a');
  r.inputs = {{"natural", "natural", 4, 16, std::string(64, 'b'), false}};
  r.environment.dtype = "float32";
  r.environment.threads = 1;
  r.measurement.metrics = {{"effect", 0.5, 0.4, 0.6, 4, "natural", {}},
                           {"other", 10, 9, 11, 4, "natural", {{"layer", 2}}}};
  r.measurement.samples = {{"effect", "natural", {}, {0.2, 0.4, 0.6, 0.8}}};
  r.criteria = {{"effect", Operator::above, 0.2, "set before measuring", Outcome::pass}};
  r.verdict = Verdict::pass;
  r.reason = "effect = 0.5";
  r.thresholds_sha256 = std::string(64, 'd');
  r.seconds = 20;
  r.peak_memory_mb = 100;
  return r;
}

class RunDiffTest : public testing::Test {
 protected:
  RunDiff diff(const Record& before, const Record& after) {
    write_record(before, folder_ / "a" / before.claim);
    write_record(after, folder_ / "b" / after.claim);
    return diff_runs(folder_ / "a", folder_ / "b");
  }

  std::vector<Kind> kinds(const Record& after) {
    std::vector<Kind> found;
    for (const auto& difference : diff(record(), after).differences) found.push_back(difference.kind);
    return found;
  }

  static void move(Record& r, double by) {
    r.measurement.metrics[0].value += by;
    for (auto& value : r.measurement.samples[0].values) value += by;
  }

  TemporaryFolder folder_;
};

TEST_F(RunDiffTest, TheSameRunDiffersInNothing) {
  EXPECT_EQ(kinds(record()), std::vector<Kind>{});
  EXPECT_NE(diff_text(diff(record(), record())).find("1 claim compared, nothing changed beyond noise"),
            std::string::npos);
}

TEST_F(RunDiffTest, FindsAFlippedVerdict) {
  auto after = record();
  after.verdict = Verdict::fail;
  after.reason = "effect = 0.1";
  const auto found = diff(record(), after);
  ASSERT_EQ(found.differences.size(), 1u);
  EXPECT_EQ(found.differences[0].kind, Kind::verdict);
  EXPECT_EQ(found.differences[0].text, "pass became fail: effect = 0.1");
}

TEST_F(RunDiffTest, PairsSamplesOfTheSameIds) {
  auto after = record();
  move(after, 0.01);  // a tenth of the interval's half, but the same for every sequence
  EXPECT_EQ(kinds(after), std::vector<Kind>{Kind::metric});
  move(after, -0.0099);  // below 1 in 1000
  EXPECT_EQ(kinds(after), std::vector<Kind>{});
  after = record();
  after.measurement.metrics[0].value += 0.01;
  after.measurement.samples[0].values = {0.1, 0.5, 0.5, 0.94};  // moved both ways
  EXPECT_EQ(kinds(after), std::vector<Kind>{});
}

TEST_F(RunDiffTest, ComparesIntervalsWhereIdsDiffer) {
  auto after = record();
  after.inputs[0].sha256 = std::string(64, 'e');
  move(after, 0.1);
  EXPECT_EQ(kinds(after), std::vector<Kind>{Kind::inputs});  // within both intervals
  move(after, 0.1);
  EXPECT_EQ(kinds(after), (std::vector<Kind>{Kind::metric, Kind::inputs}));
}

TEST_F(RunDiffTest, TellsMetricsThatAreNotJudgedTogether) {
  auto after = record();
  after.measurement.metrics[1].value = 10.5;
  const auto found = diff(record(), after);
  ASSERT_EQ(found.differences.size(), 1u);
  EXPECT_EQ(found.differences[0].kind, Kind::others);
  EXPECT_NE(found.differences[0].text.find("1 of 1"), std::string::npos);
  EXPECT_NE(found.differences[0].text.find("other (layer 2)"), std::string::npos);
}

TEST_F(RunDiffTest, FindsWhatMakesRunsIncomparable) {
  auto after = record();
  after.thresholds_sha256 = std::string(64, 'f');
  after.model.sha256 = std::string(64, 'f');
  after.parameters = "a: 1";
  EXPECT_EQ(kinds(after), (std::vector<Kind>{Kind::threshold, Kind::inputs, Kind::inputs}));
}

TEST_F(RunDiffTest, FindsWhatCostsMore) {
  auto after = record();
  after.seconds = 31;
  after.peak_memory_mb = 126;
  EXPECT_EQ(kinds(after), (std::vector<Kind>{Kind::memory, Kind::time}));
  after.seconds = 29;
  after.peak_memory_mb = 124;
  EXPECT_EQ(kinds(after), std::vector<Kind>{});
}

TEST_F(RunDiffTest, TimeAndMemoryDecideNothing) {
  auto after = record();
  after.seconds = 2000;
  after.peak_memory_mb = 9000;
  const auto found = diff(record(), after);
  ASSERT_EQ(found.differences.size(), 2u);
  EXPECT_FALSE(anything_changed(found));
  EXPECT_FALSE(numbers_disagree(found));
  EXPECT_NE(diff_text(found).find("nothing changed beyond noise; 2 claims cost more, which decides nothing"),
            std::string::npos);
  EXPECT_NE(diff_junit(found).find("failures=\"0\""), std::string::npos);
}

/// What makes `diff` and what makes `reproduce` end with 1: a table over what differs.
TEST_F(RunDiffTest, NumbersDisagreeWhereMoreThanThresholdsChanged) {
  struct Case {
    const char* what;
    void (*change)(Record&);
    bool changed, disagree;
  };
  for (const auto& [what, change, changed, disagree] : std::vector<Case>{
           {"nothing", [](Record&) {}, false, false},
           {"the verdict", [](Record& r) { r.verdict = Verdict::fail; }, true, true},
           {"the thresholds", [](Record& r) { r.thresholds_sha256 = std::string(64, 'f'); }, true, false},
           {"the verdict by other thresholds",
            [](Record& r) { r.thresholds_sha256 = std::string(64, 'f'), r.verdict = Verdict::fail; }, true, false},
           {"a judged number", [](Record& r) { move(r, 0.05); }, true, true},
           {"another number", [](Record& r) { r.measurement.metrics[1].value = 10.5; }, true, true},
           {"the ids", [](Record& r) { r.inputs[0].sha256 = std::string(64, 'e'); }, true, true},
           {"the claim", [](Record& r) { r.claim = "rank_collapse"; }, true, true}}) {
    auto after = record();
    change(after);
    std::filesystem::remove_all(folder_ / "b");
    const auto found = diff(record(), after);
    EXPECT_EQ(anything_changed(found), changed) << what;
    EXPECT_EQ(numbers_disagree(found), disagree) << what;
  }
}

TEST_F(RunDiffTest, TheGravestComesFirstAndCountsComeLast) {
  auto after = record();
  after.verdict = Verdict::fail;
  after.seconds = 2000;
  after.thresholds_sha256 = std::string(64, 'f');
  move(after, 0.05);
  after.measurement.metrics[1].value = 10.5;
  std::vector<Kind> found = kinds(after), sorted = found;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(found, sorted);
  EXPECT_EQ(found.front(), Kind::verdict);
  const auto text = diff_text(diff(record(), after));
  EXPECT_TRUE(text.starts_with("sink_onset")) << text;
  EXPECT_NE(
      text.find("1 claim compared, 1 verdict flipped, 1 judged number drifted, 1 claim judged by other thresholds, "
                "1 claim drifted in numbers that are not judged; 1 claim cost more, which decides nothing\n"),
      std::string::npos)
      << text;
}

TEST_F(RunDiffTest, FlippedVerdictsComeFirst) {
  auto after = record("b");
  after.verdict = Verdict::fail;
  auto drifted = record("a");
  move(drifted, 0.05);
  write_record(record("a"), folder_ / "a" / "a");
  write_record(drifted, folder_ / "b" / "a");
  const auto found = diff(record("b"), after);
  ASSERT_EQ(found.differences.size(), 2u);
  EXPECT_EQ(found.differences[0].claim, "b");
  EXPECT_EQ(found.differences[1].claim, "a");
}

TEST_F(RunDiffTest, FindsClaimsOfOneRunOnly) {
  write_record(record("rank_collapse"), folder_ / "a" / "rank_collapse");
  write_record(record("emergence"), folder_ / "b" / "emergence");
  const auto found = diff(record(), record());
  ASSERT_EQ(found.differences.size(), 2u);
  EXPECT_EQ(found.differences[0].claim, "rank_collapse");
  EXPECT_EQ(found.differences[1].claim, "emergence");
}

TEST_F(RunDiffTest, SaysItInThreeForms) {
  auto after = record();
  after.verdict = Verdict::fail;
  after.reason = "a | <b>";
  const auto found = diff(record(), after);
  EXPECT_NE(diff_text(found).find("sink_onset                  verdict"), std::string::npos);
  EXPECT_NE(diff_markdown(found).find("| `sink_onset` | verdict | pass became fail: a \\| "), std::string::npos)
      << diff_markdown(found);
  const auto junit = diff_junit(found);
  EXPECT_NE(junit.find("tests=\"1\" failures=\"1\""), std::string::npos);
  EXPECT_NE(junit.find("pass became fail: a | &lt;b&gt;"), std::string::npos);
}

TEST_F(RunDiffTest, WantsTwoRuns) {
  write_record(record(), folder_ / "a" / "sink_onset");
  expect_error([&] { diff_runs(folder_ / "a", folder_ / "nothing"); }, "no record.json in any folder");
}

}  // namespace
}  // namespace replicate::report
