// The answer in brief: a row per claim, and the chain in a sentence.

#include "reports/brief.h"

#include <gtest/gtest.h>

#include "reports/paper.h"
#include "tests/support/sample_records.h"

namespace replicate::report {
namespace {

std::string spoken(const Line& line) {
  std::string text;
  for (const Span& span : line) text += span.text;
  return text;
}

Record ended(const std::string& claim, Verdict verdict, ClaimKind kind = ClaimKind::mechanism) {
  Record record = sample::base(claim, claim, kind);
  record.verdict = verdict;
  record.reason = "because";
  return record;
}

/// Every link and arrow with one verdict, after the claims that the chain's figure is drawn from.
std::vector<Record> chain(Verdict verdict) {
  std::vector<Record> records = {sample::sink_onset(), sample::dimension_disparity()};
  for (Record& record : records) record.verdict = verdict;
  const auto add = [&](const std::string& claim, ClaimKind kind) {
    const auto is_it = [&](const Record& record) { return record.claim == claim; };
    if (std::none_of(records.begin(), records.end(), is_it)) records.push_back(ended(claim, verdict, kind));
  };
  for (const ChainLink& link : paper().links) add(link.claim, ClaimKind::mechanism);
  for (const ChainArrow& arrow : paper().arrows) add(arrow.claim, ClaimKind::intervention);
  return records;
}

Record& find(std::vector<Record>& records, const std::string& claim) {
  return *std::find_if(records.begin(), records.end(), [&](const Record& record) { return record.claim == claim; });
}

TEST(Brief, ARowHasWhatDecidedElseTheFirstNumber) {
  const Record pass = sample::mask_induced_sink();
  BriefRow row = brief_row(pass);
  EXPECT_EQ(row.metric + " " + row.value + " " + row.asked, "target_to_first_ratio 0.94 ≥ 0.5");
  EXPECT_EQ(row.variations, "1/2");
  const Record fail = sample::dimension_disparity();
  row = brief_row(fail);
  EXPECT_EQ(row.metric + " " + row.value + " " + row.asked, "top4_energy 0.842 > 0.9");
  EXPECT_EQ(row.variations, "");
}

TEST(Brief, AControlThatDecidedIsShownWithItsLimit) {
  Record record = sample::mask_induced_sink();
  record.verdict = Verdict::fail;
  record.controls[0].outcome = ControlOutcome::fires;
  const BriefRow row = brief_row(record);
  EXPECT_EQ(row.metric + " " + row.asked, "attention_to_target_blocked_first ± 0.076 (control)");
}

/// The reason says what did.
TEST(Brief, ANumberThatMadeNoVerdictIsNotShown) {
  Record record = sample::mask_induced_sink();
  record.verdict = Verdict::inconclusive;
  EXPECT_EQ(brief_row(record).value, "") << "no criterion or control is open";
  record.criteria[0].outcome = Outcome::inconclusive;
  EXPECT_EQ(brief_row(record).value, "0.94");
  record.checks = {{"held_excess", Operator::below, 0.05, "", Outcome::fail}};
  EXPECT_EQ(brief_row(record).value, "") << "a check is unmet";
  record = sample::variance_discrepancy();
  record.measurement.metrics = {{"heads", 4, {}, {}, 0, "natural", {}}};
  EXPECT_EQ(brief_row(record).value, "") << "a number of a claim that was not judged";
}

TEST(Brief, WithoutANumberThereIsNone) {
  for (const Record& record : {sample::variance_discrepancy(), sample::falsification()})
    EXPECT_EQ(brief_row(record).value + brief_row(record).asked, "") << record.claim;
}

TEST(Brief, AStandingIsCommonWhereAllHaveIt) {
  Record one = sample::mask_induced_sink(), other = one;
  EXPECT_EQ(common_standing({one, other}), Standing::calibrated);
  EXPECT_EQ(common_standing({one, sample::variance_discrepancy()}), Standing::calibrated) << "one is not judged";
  EXPECT_EQ(common_standing({one, sample::sink_onset()}), std::nullopt) << "one has none";
  other.standing = Standing::confirmatory;
  EXPECT_EQ(common_standing({one, other}), std::nullopt);
  EXPECT_EQ(common_standing({sample::sink_onset()}), std::nullopt);
}

TEST(Brief, GroupsComeInOrderAndHoldEveryClaimOnce) {
  const std::vector<Record> records = {
      ended("sink_source", Verdict::pass, ClaimKind::intervention), ended("a", Verdict::pass, ClaimKind::training),
      ended("b", Verdict::pass, ClaimKind::unknown), ended("c", Verdict::pass, ClaimKind::mechanism),
      ended("d", Verdict::pass, ClaimKind::intervention)};
  std::string text;
  for (const BriefGroup& group : brief_groups(records))
    for (const BriefRow& row : group.rows) text += group.title + ": " + row.record->claim + "; ";
  EXPECT_EQ(text, "Mechanism: c; Interventions: d; Beyond the paper: sink_source; Training: a; Other claims: b; ");
}

TEST(Brief, TheAnswerCountsLinksAndInterventions) {
  const auto holds = chain(Verdict::pass);
  EXPECT_EQ(spoken(answer(holds)), "All 8 links of the chain hold. Of the 7 claims that intervene on it, 7 pass.");
  auto records = chain(Verdict::pass);
  find(records, "output_projection_alignment").verdict = Verdict::fail;
  find(records, "qk_locking").verdict = Verdict::fail;
  find(records, "super_neuron_alignment").verdict = Verdict::inconclusive;
  find(records, "variance_discrepancy").verdict = Verdict::not_applicable;
  find(records, "falsification").verdict = Verdict::fail;
  find(records, "side_effects").verdict = Verdict::inconclusive;
  EXPECT_EQ(
      spoken(answer(records)),
      "4 of the chain's 8 links hold; 2 (output projection) and 7 (positive key) do not; 3 (super neurons) is open; "
      "1 (variance outlier) was not judged. Of the 7 claims that intervene on it, 5 pass, 1 fails and 1 is open.");
}

/// The claim may fail by another criterion.
TEST(Brief, ALinkHasTheOutcomeOfItsOwnCriterion) {
  auto records = chain(Verdict::pass);
  Record& record = find(records, "qk_locking");
  record.verdict = Verdict::fail;
  record.criteria = {{"sink_key_alignment", Operator::above, 0.9, "", Outcome::fail},
                     {"sink_key_positive_share", Operator::above, 0.95, "", Outcome::pass}};
  EXPECT_TRUE(spoken(answer(records)).starts_with("All 8 links of the chain hold.")) << spoken(answer(records));
  record.criteria[1].outcome = Outcome::inconclusive;
  EXPECT_NE(spoken(answer(records)).find("7 (positive key) is open"), std::string::npos);
  record.verdict = Verdict::not_applicable;
  EXPECT_NE(spoken(answer(records)).find("7 (positive key) was not judged"), std::string::npos);
}

TEST(Brief, TheAnswerNamesStagesThatAreDecidedOtherwise) {
  auto records = chain(Verdict::pass);
  Record& record = find(records, "falsification");
  record.verdict = Verdict::fail;
  record.stages = {{3, {4}, Verdict::fail, "", {}, {}, {}},
                   {12, {13}, Verdict::pass, "", {}, {}, {}},
                   {0, {4, 13}, Verdict::pass, "", {}, {}, {}}};
  EXPECT_TRUE(spoken(answer(records)).ends_with(" At the spike in layer 12 the verdict is pass for falsification."))
      << spoken(answer(records));
  record.stages[1].verdict = Verdict::inconclusive;
  EXPECT_EQ(spoken(answer(records)).find("At the spike"), std::string::npos) << "open says nothing against a verdict";
}

TEST(Brief, ARunWithoutTheChainHasAnAnswerToo) {
  EXPECT_EQ(spoken(answer({ended("a", Verdict::fail)})), "a: fail, because.");
  EXPECT_TRUE(answer({ended("a", Verdict::fail), ended("b", Verdict::pass)}).empty()) << "the counts say it";
}

}  // namespace
}  // namespace replicate::report
