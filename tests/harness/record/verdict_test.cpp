#include "harness/record/verdict.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "tests/support/special_numbers.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

Metric metric(const std::string& name, double value, double low, double high, int64_t n = 8) {
  return {name, value, low, high, n, "natural", {}};
}

Measurement measured(std::vector<Metric> metrics) {
  Measurement measurement;
  measurement.metrics = std::move(metrics);
  return measurement;
}

Judging criterion(const std::string& op, double threshold) {
  return {ClaimKind::mechanism, {{"effect", from_string<Operator>(op), threshold, "set before measuring"}}, {}, 2};
}

/// effect > 0.5, and the control below 0.2 of the effect.
Judging with_control() {
  Judging judging = criterion(">", 0.5);
  judging.controls = {{"control", "effect", 0.2, "set before measuring"}};
  return judging;
}

Verdict verdict(const std::string& op, double threshold, double low, double high) {
  return judge(measured({metric("effect", (low + high) / 2, low, high)}), criterion(op, threshold)).verdict;
}

TEST(Verdict, DependsOnWhereTheWholeIntervalLies) {
  EXPECT_EQ(verdict(">", 0.5, 0.6, 0.8), Verdict::pass);
  EXPECT_EQ(verdict(">", 0.5, 0.4, 0.8), Verdict::inconclusive);
  EXPECT_EQ(verdict(">", 0.5, 0.1, 0.4), Verdict::fail);
  EXPECT_EQ(verdict("<", 0.5, 0.6, 0.8), Verdict::fail);
  EXPECT_EQ(verdict("<", 0.5, 0.4, 0.8), Verdict::inconclusive);
  EXPECT_EQ(verdict("<", 0.5, 0.1, 0.4), Verdict::pass);
}

TEST(Verdict, EqualityBelongsToTheInclusiveOperators) {
  EXPECT_EQ(verdict(">=", 1, 1, 1), Verdict::pass);
  EXPECT_EQ(verdict(">", 1, 1, 1), Verdict::fail);
  EXPECT_EQ(verdict("<=", 1, 1, 1), Verdict::pass);
  EXPECT_EQ(verdict("<", 1, 1, 1), Verdict::fail);
  EXPECT_EQ(verdict(">=", 1, 0, 1), Verdict::inconclusive);
  EXPECT_EQ(verdict(">", 1, 0, 1), Verdict::fail);  // 1 itself is on the wrong side of > 1
  EXPECT_EQ(verdict(">", 1, 1, 2), Verdict::inconclusive);
  EXPECT_EQ(verdict("<=", 1, 1, 2), Verdict::inconclusive);
  EXPECT_EQ(verdict("<", 1, 1, 2), Verdict::fail);
}

TEST(Verdict, SaysHowSureItsCriteriaAre) {
  const auto judgement =
      judge(measured({metric("effect", 0.7, 0.6, 0.8), metric("control", 0, -0.05, 0.05)}), with_control());
  EXPECT_NEAR(*judgement.criteria[0].p, 4.4287e-5, 1e-8);        // 3.92 standard errors
  EXPECT_NEAR(*judgement.criteria[0].effect_size, 1.386, 1e-3);  // by the root of 8 sequences
  EXPECT_NEAR(*judgement.controls[0].p, 2.034e-8, 1e-11);        // the limit 0.14 is 5.49 away
  const auto bare = judge(measured({{"effect", 0.7, {}, {}, 1, "natural", {}}}), criterion(">", 0.5));
  EXPECT_FALSE(bare.criteria[0].p || bare.criteria[0].effect_size);
}

TEST(Verdict, TakesStudentsDistributionForSeeds) {
  auto judging = criterion(">", 0);
  const auto effect = measured({metric("effect", 1, 0.1, 1.9, 4)});
  const double normal = *judge(effect, judging).criteria[0].p;
  judging.kind = ClaimKind::training;
  const double student = *judge(effect, judging).criteria[0].p;
  EXPECT_LT(normal, student);
  EXPECT_LT(student, 0.025);
}

TEST(Verdict, JudgesPredictionsOfRivalsApart) {
  auto judging = criterion(">", 0.5);
  judging.rivals = {{"which?", "one", {"effect", Operator::above, 0.9, "a source"}},
                    {"which?", "other", {"effect", Operator::below, 0.9, "a source"}},
                    {"which?", "other", {"absent", Operator::below, 0.9, "a source"}}};
  const auto judgement = judge(measured({metric("effect", 0.7, 0.6, 0.8)}), judging);
  EXPECT_EQ(judgement.verdict, Verdict::pass);
  EXPECT_EQ(judgement.rivals[0].finding.outcome, Outcome::fail);
  EXPECT_EQ(judgement.rivals[1].finding.outcome, Outcome::pass);
  EXPECT_EQ(judgement.rivals[2].finding.outcome, Outcome::not_measured);
}

TEST(Verdict, AMarginWithinTheErrorOfTheArithmeticDecidesNothing) {
  const auto with_error = [](double error) {
    const auto measurement =
        measured({metric("effect", 0.7, 0.65, 0.75), {"effect_dtype_error", error, {}, {}, 8, "natural", {}}});
    return judge(measurement, criterion(">", 0.5));
  };
  EXPECT_EQ(with_error(0.1).verdict, Verdict::pass);
  EXPECT_EQ(with_error(0).verdict, Verdict::pass);
  EXPECT_EQ(with_error(0.3).verdict, Verdict::inconclusive);
  EXPECT_NE(with_error(0.3).reason.find("within the error of the arithmetic, 0.3"), std::string::npos);
}

TEST(Verdict, AControlWithinTheErrorOfTheArithmeticDecidesNothing) {
  const auto outcome = [](double of_control, double of_effect) {
    const auto measurement = measured({metric("effect", 1, 0.9, 1.1),
                                       metric("control", 0.1, 0.05, 0.15),  // the limit is 0.2
                                       {"control_dtype_error", of_control, {}, {}, 8, "natural", {}},
                                       {"effect_dtype_error", of_effect, {}, {}, 8, "natural", {}}});
    return to_string(judge(measurement, with_control()).controls[0].outcome);
  };
  EXPECT_EQ(outcome(0.09, 0), "negative");
  EXPECT_EQ(outcome(0.11, 0), "inconclusive");
  EXPECT_EQ(outcome(0.09, 0.04), "negative");
  EXPECT_EQ(outcome(0.09, 0.06), "inconclusive");
}

TEST(Verdict, UnknownOperatorIsAnError) {
  EXPECT_NE(message_of([] { verdict("==", 1, 1, 1); }).find("'=='"), std::string::npos);
}

TEST(Verdict, TakesTheFirstMetricOfAName) {
  const auto measurement = measured({metric("effect", 0.7, 0.6, 0.8), metric("effect", 0, 0, 0)});
  EXPECT_EQ(judge(measurement, criterion(">", 0.5)).verdict, Verdict::pass);
}

TEST(Verdict, OneSequenceIsInconclusive) {
  const auto judgement = judge(measured({metric("effect", 0.9, 0.9, 0.9, 1)}), criterion(">", 0.5));
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(judgement.reason.find("one sequence only: no interval"), std::string::npos) << judgement.reason;
}

TEST(Verdict, TooFewUnitsAreInconclusiveAndCounted) {
  Judging judging = criterion(">", 0.5);
  judging.minimum_n = 4;
  const auto judgement = judge(measured({metric("effect", 0.9, 0.8, 1, 3)}), judging);
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(judgement.reason.find("3 units of sampling, 4 needed"), std::string::npos) << judgement.reason;
}

TEST(Verdict, NoBoundsOrNaNBoundsAreInconclusive) {
  Metric bare = metric("effect", 0.9, 0, 0);
  bare.low = bare.high = std::nullopt;
  EXPECT_EQ(judge(measured({bare}), criterion(">", 0.5)).verdict, Verdict::inconclusive);
  EXPECT_EQ(verdict(">", 0.5, kNaN, kNaN), Verdict::inconclusive);
  EXPECT_EQ(judge(measured({metric("effect", kNaN, 0.8, 1)}), criterion(">", 0.5)).verdict, Verdict::inconclusive);
}

TEST(Verdict, ANumberThatIsNotFiniteIsNeverJudged) {
  for (const double strange : {kNaN, kInfinity, -kInfinity}) {
    for (const std::string op : {">", ">=", "<", "<="}) {
      for (const auto& effect : {metric("effect", strange, 0.6, 0.8), metric("effect", 0.7, strange, 0.8),
                                 metric("effect", 0.7, 0.6, strange), metric("effect", strange, strange, strange)}) {
        const auto judgement = judge(measured({effect}), criterion(op, 0.5));
        EXPECT_EQ(judgement.criteria[0].outcome, Outcome::inconclusive) << op << strange;
        EXPECT_EQ(judgement.verdict, Verdict::inconclusive) << op << strange;
        EXPECT_FALSE(judgement.criteria[0].p) << op << strange;
        EXPECT_EQ(judgement.reason.find("inf"), std::string::npos)
            << judgement.reason;  // on disk it is null, as NaN is
      }
    }
  }
}

TEST(Verdict, AControlThatIsNotFiniteIsNeverJudged) {
  auto judging = with_control();
  for (const double strange : {kNaN, kInfinity, -kInfinity}) {
    const auto effect = metric("effect", 1, 0.9, 1.1);
    for (const auto& measurement :
         {measured({effect, metric("control", strange, 0, 0.1)}),
          measured({effect, metric("control", 0, strange, 0.1)}), measured({effect, metric("control", 0, 0, strange)}),
          measured({metric("effect", strange, 0.9, 1.1), metric("control", 0, 0, 0.1)})}) {
      const auto control = judge(measurement, judging).controls[0];
      EXPECT_EQ(control.outcome, ControlOutcome::inconclusive) << strange;
      EXPECT_FALSE(control.p) << strange;
    }
  }
}

TEST(Verdict, AScaleThatIsNotFiniteIsNoScale) {
  auto judging = criterion(">", 0.5);
  judging.minimum_scale = {{"scale", 10}};
  for (const double strange : {kNaN, kInfinity}) {
    const auto judgement = judge(measured({metric("effect", 0.7, 0.6, 0.8), metric("scale", strange, 0, 0)}), judging);
    EXPECT_EQ(judgement.verdict, Verdict::inconclusive) << strange;
  }
}

TEST(Verdict, ControlIsNegativeBelowItsShareOfTheEffect) {
  const auto outcome = [](double low, double high) {
    const auto judgement = judge(
        measured({metric("effect", 1, 0.9, 1.1), metric("control", (low + high) / 2, low, high)}), with_control());
    return to_string(judgement.controls[0].outcome) + "/" + to_string(judgement.verdict);
  };
  EXPECT_EQ(outcome(0.05, 0.15), "negative/pass");
  EXPECT_EQ(outcome(-0.15, 0.1), "negative/pass");
  EXPECT_EQ(outcome(0.15, 0.25), "inconclusive/inconclusive");
  EXPECT_EQ(outcome(-0.25, 0.1), "inconclusive/inconclusive");
  EXPECT_EQ(outcome(-0.3, 0.25), "inconclusive/inconclusive");  // holds zero, so it may be nothing
  EXPECT_EQ(outcome(0.3, 0.4), "fires/fail");
  EXPECT_EQ(outcome(-0.4, -0.3), "fires/fail");  // a large effect of the other sign is one too
  EXPECT_EQ(outcome(kNaN, kNaN), "inconclusive/inconclusive");
}

TEST(Verdict, ControlOfNoEffectDecidesNothing) {
  Judging judging = with_control();
  judging.criteria[0] = {"effect", Operator::at_least, 0, "set before measuring"};
  const auto judgement = judge(measured({metric("effect", 0, 0, 0), metric("control", 0, 0, 0)}), judging);
  EXPECT_EQ(judgement.controls[0].outcome, ControlOutcome::inconclusive);
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
}

TEST(Verdict, MissingControlIsInconclusiveUnlessACriterionFails) {
  const auto passing = judge(measured({metric("effect", 1, 0.9, 1.1)}), with_control());
  EXPECT_EQ(passing.controls[0].outcome, ControlOutcome::not_measured);
  EXPECT_EQ(passing.verdict, Verdict::inconclusive);
  EXPECT_NE(passing.reason.find("control control was not measured"), std::string::npos);
  const auto failing = judge(measured({metric("effect", 0.1, 0, 0.2)}), with_control());
  EXPECT_EQ(failing.verdict, Verdict::fail);
}

TEST(Verdict, MissingCriterionOrEffectIsAnErrorThatNamesBoth) {
  const std::string message = message_of([] { judge(measured({}), criterion(">", 0.5)); });
  EXPECT_NE(message.find("effect > 0.5"), std::string::npos) << message;
  Judging judging = with_control();
  judging.controls[0].of = "absent";
  const auto both = measured({metric("effect", 1, 0.9, 1.1), metric("control", 0, 0, 0)});
  const std::string effect = message_of([&] { judge(both, judging); });
  EXPECT_NE(effect.find("'absent'"), std::string::npos) << effect;
  EXPECT_NE(effect.find("control"), std::string::npos) << effect;
}

TEST(Verdict, UnmetPreconditionDependsOnTheKind) {
  const auto verdict_of = [](ClaimKind kind, int64_t n) {
    Measurement measurement = measured({metric("other", 1, 1, 1, n)});
    measurement.unmet = "no sink";
    Judging judging = with_control();
    judging.kind = kind;
    const auto judgement = judge(measurement, judging);
    EXPECT_EQ(judgement.reason.substr(0, 7), "no sink");
    EXPECT_EQ(judgement.criteria[0].outcome, Outcome::not_measured);
    EXPECT_EQ(judgement.controls[0].outcome, ControlOutcome::not_measured);
    return judgement.verdict;
  };
  EXPECT_EQ(verdict_of(ClaimKind::mechanism, 8), Verdict::fail);
  EXPECT_EQ(verdict_of(ClaimKind::mechanism, 1), Verdict::inconclusive);
  EXPECT_EQ(verdict_of(ClaimKind::intervention, 8), Verdict::not_applicable);
  EXPECT_EQ(verdict_of(ClaimKind::training, 8), Verdict::inconclusive);
}

TEST(Verdict, OneFailureOutweighsEverythingElse) {
  Judging judging = criterion(">", 0.5);
  judging.criteria.push_back({"second", Operator::below, 1, "set before measuring"});
  judging.criteria.push_back({"third", Operator::below, 1, "set before measuring"});
  const auto judgement = judge(
      measured({metric("effect", 1, 0.9, 1.1), metric("second", 2, 1.5, 2.5), metric("third", 1, 0, 2)}), judging);
  EXPECT_EQ(judgement.verdict, Verdict::fail);
  EXPECT_EQ(judgement.criteria[0].outcome, Outcome::pass);
  EXPECT_EQ(judgement.criteria[1].outcome, Outcome::fail);
  EXPECT_EQ(judgement.criteria[2].outcome, Outcome::inconclusive);
  EXPECT_EQ(judgement.reason, "second = 2 [1.5, 2.5] lies wholly outside < 1");
}

TEST(Verdict, NothingToJudgeIsDescriptive) {
  EXPECT_EQ(judge(measured({}), {ClaimKind::mechanism, {}, {}, 2}).verdict, Verdict::descriptive);
}

TEST(Verdict, ReasonOfAPassHasTheNumbers) {
  const auto judgement =
      judge(measured({metric("effect", 1, 0.9, 1.1), metric("control", 0.01, 0, 0.02)}), with_control());
  EXPECT_EQ(judgement.reason,
            "effect = 1 [0.9, 1.1] (> 0.5 wanted); control control = 0.01 [0, 0.02] stays below "
            "0.2 x effect = 0.2");
}

TEST(ThresholdsHash, ChangesWithWhatJudgesAndNothingElse) {
  const Judging judging = with_control();
  const std::string hash = thresholds_sha256(judging);
  EXPECT_EQ(hash.size(), 64u);

  Judging same = judging;
  same.criteria[0].source = "another source";
  EXPECT_EQ(thresholds_sha256(same), hash);

  Judging threshold = judging, fraction = judging, op = judging, minimum = judging;
  threshold.criteria[0].threshold = 0.5000001;
  fraction.controls[0].fraction = 0.3;
  op.criteria[0].op = Operator::at_least;
  minimum.minimum_n = 4;
  for (const Judging& other : {threshold, fraction, op, minimum}) {
    EXPECT_NE(thresholds_sha256(other), hash);
  }
}

TEST(ThresholdsHash, DoesNotDependOnTheOrder) {
  Judging judging = criterion(">", 0.5);
  judging.criteria.push_back({"second", Operator::below, 1, "set before measuring"});
  Judging turned = judging;
  std::swap(turned.criteria[0], turned.criteria[1]);
  EXPECT_EQ(thresholds_sha256(turned), thresholds_sha256(judging));
}

TEST(VerdictNames, ReadBackAndNothingElse) {
  for (const Verdict verdict : {Verdict::pass, Verdict::fail, Verdict::inconclusive, Verdict::not_applicable,
                                Verdict::not_run, Verdict::descriptive, Verdict::error, Verdict::skipped}) {
    EXPECT_EQ(from_string<Verdict>(to_string(verdict)), verdict);
  }
  EXPECT_THROW(from_string<Verdict>("passed"), Error);
}

}  // namespace
}  // namespace replicate
