// How a ruling (requirement_test.cpp) becomes a claim's judgement.

#include "harness/record/verdict.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/expect_error.h"

namespace replicate {
namespace {

/// effect > 0.5, and the control below 0.2 of the effect.
Judging with_control(ClaimKind kind = ClaimKind::mechanism) {
  Requirements requirements;
  requirements.level = 0.003;
  requirements.all = {{.criterion = {"effect", Operator::above, 0.5, "set before measuring"}, .units = 16}};
  requirements.controls = {{.metric = "control", .of = "effect", .fraction = 0.2, .source = "set before measuring"}};
  return {kind, requirements};
}

Measurement unmet(const std::string& why) {
  Measurement measurement;
  measurement.unmet = why;
  return measurement;
}

TEST(Verdict, NothingToJudgeIsDescriptive) {
  for (const auto kind : {ClaimKind::mechanism, ClaimKind::intervention, ClaimKind::training}) {
    const auto judgement = judge({}, {kind});
    EXPECT_EQ(judgement.verdict, Verdict::descriptive);
    EXPECT_FALSE(judgement.bearing);
  }
  EXPECT_EQ(judge(unmet("no sink"), {}).verdict, Verdict::not_applicable);
  EXPECT_FALSE(judge(unmet("no sink"), {}).bearing);
}

TEST(Verdict, WhatAModelLacksItLacksAndWhatWasNotTrainedCanBe) {
  const std::pair<ClaimKind, Verdict> cases[] = {{ClaimKind::mechanism, Verdict::not_applicable},
                                                 {ClaimKind::intervention, Verdict::not_applicable},
                                                 {ClaimKind::training, Verdict::not_run}};
  for (const auto& [kind, verdict] : cases) {
    const auto judgement = judge(unmet("no sink"), with_control(kind));
    EXPECT_EQ(judgement.verdict, verdict) << to_string(kind);
    EXPECT_EQ(judgement.reason, "no sink");
    EXPECT_EQ(judgement.bearing, Bearing::silent);
    ASSERT_EQ(judgement.criteria.size(), 1u);
    EXPECT_EQ(judgement.criteria[0].outcome, Outcome::not_measured);
    ASSERT_EQ(judgement.controls.size(), 1u);
    EXPECT_EQ(judgement.controls[0].outcome, ControlOutcome::not_measured);
    auto inapplicable = unmet("no sink");
    inapplicable.inapplicable = "the given ids say nothing of training";
    EXPECT_EQ(judge(inapplicable, with_control(kind)).verdict, Verdict::not_applicable) << to_string(kind);
    EXPECT_EQ(judge(inapplicable, with_control(kind)).reason, "the given ids say nothing of training");
  }
}

TEST(Verdict, OfWhatWasNotMeasuredIsAnErrorThatNamesIt) {
  expect_error([] { judge({}, with_control()); }, "the metric 'effect' was not measured");
}

TEST(Verdict, BeforeItEveryCriterionAndControlIsThere) {
  ASSERT_EQ(unjudged_criteria(with_control()).size(), 1u);
  EXPECT_EQ(unjudged_criteria(with_control())[0].outcome, Outcome::unjudged);
  ASSERT_EQ(unjudged_controls(with_control()).size(), 1u);
  EXPECT_EQ(unjudged_controls(with_control())[0].outcome, ControlOutcome::unjudged);
  EXPECT_TRUE(unjudged_criteria({}).empty());
  EXPECT_TRUE(unjudged_controls({}).empty());
  EXPECT_TRUE(judged_metrics(Judging{}).empty());
}

TEST(ThresholdsHash, ChangesWithWhatJudgesAndNothingElse) {
  const Judging judging = with_control();
  const std::string hash = thresholds_sha256(judging);
  EXPECT_EQ(hash.size(), 64u);

  Judging same = judging;
  same.requirements->all[0].criterion.source = same.requirements->controls[0].source = "another source";
  EXPECT_EQ(thresholds_sha256(same), hash);

  Judging threshold = judging, fraction = judging, op = judging, level = judging, nothing = judging;
  threshold.requirements->all[0].criterion.threshold = 0.5000001;
  fraction.requirements->controls[0].fraction = 0.3;
  op.requirements->all[0].criterion.op = Operator::at_least;
  level.requirements->level = 0.004;
  nothing.requirements.reset();
  for (const Judging& other : {threshold, fraction, op, level, nothing, with_control(ClaimKind::training)}) {
    EXPECT_NE(thresholds_sha256(other), hash);
  }
}

TEST(VerdictNames, ReadBackAndNothingElse) {
  for (const Verdict verdict : {Verdict::pass, Verdict::fail, Verdict::inconclusive, Verdict::not_applicable,
                                Verdict::not_run, Verdict::descriptive, Verdict::error, Verdict::skipped}) {
    EXPECT_EQ(from_string<Verdict>(to_string(verdict)), verdict);
  }
  EXPECT_THROW(from_string<Verdict>("passed"), Error);
  expect_error([] { from_string<Operator>("=="); }, "'=='");
}

}  // namespace
}  // namespace replicate
