// Judging, on made-up measurements of which the truth is known.

#include "harness/record/requirement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/mean_test.h"
#include "base/statistics.h"
#include "harness/record/verdict.h"
#include "tests/support/expect_error.h"
#include "tests/support/special_numbers.h"

namespace replicate {
namespace {

constexpr double kLevel = 0.003;

/// n units around a mean, without skewness, with the standard deviation `spread`.
std::vector<double> units(double mean, double spread, int64_t n = 16) {
  std::vector<double> x(static_cast<size_t>(n));
  const double step = spread * std::sqrt(static_cast<double>(n - 1) / static_cast<double>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = mean + (i % 2 ? step : -step);
  return x;
}

void add(Measurement& measurement, const std::string& name, const std::vector<double>& values,
         const std::map<std::string, int64_t>& where = {}, const std::string& inputs = "natural") {
  const MeanTest test(values);
  const auto [low, high] = test.interval();
  measurement.metrics.push_back({name, test.mean(), low, high, test.n(), inputs, where});
  measurement.samples.push_back({name, inputs, where, values});
}

void add_exact(Measurement& measurement, const std::string& name, double value) {
  measurement.metrics.push_back({name, value, {}, {}, 0, "natural", {}});
}

Requirement above(const std::string& metric, double threshold = 0) {
  return {.criterion = {metric, Operator::above, threshold, "a test"}, .units = 16};
}

Requirement exactly(const std::string& metric, Operator op, double threshold, std::optional<double> fails_at = {}) {
  return {.criterion = {metric, op, threshold, "a test"}, .exact = true, .fails_at = fails_at};
}

Requirement all_of(std::vector<Requirement> members) { return {.name = "all", .members = std::move(members)}; }
Requirement some_of(int64_t at_least, std::vector<Requirement> members) {
  return {.name = "some", .members = std::move(members), .at_least = at_least};
}

Requirements claim(std::vector<Requirement> requirements, std::vector<JointControl> controls = {}) {
  return {.level = kLevel, .all = std::move(requirements), .checks = {}, .controls = std::move(controls)};
}

JointControl control(const std::string& metric, bool two_sided = false) {
  return {.metric = metric, .of = "effect", .fraction = 0.2, .two_sided = two_sided, .source = "a test"};
}

// ---- criteria

struct CriterionCase {
  double mean, spread;
  int64_t n;
  Outcome outcome;
};

TEST(Requirement, IsDecidedAtTheLevelOfItsFamily) {
  const CriterionCase cases[] = {
      {1, 0.5, 16, Outcome::pass},          // t = 8
      {-1, 0.5, 16, Outcome::fail},         //
      {1, 1.6, 16, Outcome::inconclusive},  // t = 2.5: p = 0.012, enough for 95% alone
      {0, 0.5, 16, Outcome::inconclusive},
      {1, 0.01, 8, Outcome::inconclusive},  // 2^-8 > 0.003: eight units never reach the level
      {1, 0, 16, Outcome::pass},            // all units alike
      {-1, 0, 16, Outcome::fail},
      {0, 0, 16, Outcome::inconclusive},
  };
  for (const auto& [mean, spread, n, outcome] : cases) {
    Measurement measurement;
    add(measurement, "effect", units(mean, spread, n));
    EXPECT_EQ(test({measurement}, above("effect"), kLevel).outcome, outcome) << mean << " " << spread << " " << n;
  }
}

TEST(Requirement, TheOppositeDirectionHasTheOppositeP) {
  Measurement measurement;
  add(measurement, "effect", {0.1, 0.4, 0.2, 1.9, 0.3, 0.2, 0.5, 0.1, 0.2, 0.3, 0.4, 0.2});
  auto below = above("effect", 0.3);
  below.criterion.op = Operator::below;
  const auto up = test({measurement}, above("effect", 0.3), kLevel), down = test({measurement}, below, kLevel);
  EXPECT_EQ(up.p, down.opposite);
  EXPECT_EQ(up.opposite, down.p);
}

TEST(Requirement, AnExactNumberIsMetOrNotAndOpenBetween) {
  struct {
    double value;
    Outcome outcome;
  } const cases[] = {{27, Outcome::pass}, {24, Outcome::pass}, {23, Outcome::inconclusive},  {4, Outcome::inconclusive},
                     {3, Outcome::fail},  {0, Outcome::fail},  {kNaN, Outcome::inconclusive}};
  for (const auto& [value, outcome] : cases) {
    Measurement measurement;
    add_exact(measurement, "cells", value);
    EXPECT_EQ(test({measurement}, exactly("cells", Operator::at_least, 24, 3), kLevel).outcome, outcome) << value;
  }
  Measurement measurement;
  add_exact(measurement, "cells", 23);
  EXPECT_EQ(test({measurement}, exactly("cells", Operator::at_least, 24), kLevel).outcome, Outcome::fail);
}

TEST(Requirement, WhatIsNotFiniteIsOpen) {
  for (const double bad : {kNaN, kInfinity}) {
    Measurement measurement;
    auto values = units(1, 0.1);
    values[3] = bad;
    add(measurement, "effect", values);
    const auto tested = test({measurement}, above("effect"), kLevel);
    EXPECT_EQ(tested.outcome, Outcome::inconclusive);
    EXPECT_EQ(tested.p, 1);
    EXPECT_EQ(tested.opposite, 1);
  }
}

TEST(Requirement, ANumberThatIsNotFiniteIsNeverJudged) {
  for (const double strange : {kNaN, kInfinity, -kInfinity}) {
    for (const auto op : {Operator::above, Operator::at_least, Operator::below, Operator::at_most}) {
      Measurement measurement;
      add(measurement, "effect", std::vector<double>(16, strange));
      add_exact(measurement, "count", strange);
      auto sampled = above("effect");
      sampled.criterion.op = op;
      for (const auto& requirement : {sampled, exactly("count", op, 0), exactly("count", op, 0, 0)}) {
        const auto tested = test({measurement}, requirement, kLevel);
        EXPECT_EQ(tested.outcome, Outcome::inconclusive) << to_string(op) << strange;
        EXPECT_EQ(tested.clause.find("inf"), std::string::npos) << tested.clause;  // on disk it is null, as NaN is
        EXPECT_EQ(rule({measurement}, claim({requirement})).verdict, Verdict::inconclusive) << to_string(op) << strange;
      }
    }
  }
}

TEST(Requirement, AReasonShowsTheIntervalOfTheRecord) {
  Measurement measurement;
  add(measurement, "share", units(0.01, 0.05));
  ASSERT_LT(*measurement.metrics[0].low, 0);
  measurement.metrics[0].low = 0;  // no share is below 0
  const auto clause = test({measurement}, above("share", 0.5), kLevel).clause;
  EXPECT_EQ(clause.find("share = 0.01 [0, "), 0U) << clause;
}

TEST(Requirement, AMissingUnitMayCountAsTheWorst) {
  auto strict = above("effect");
  strict.missing_is_worst = true;
  const auto clause_of = [&](std::vector<double> values, Operator op, double threshold) {
    Measurement measurement;
    add(measurement, "effect", values);
    strict.criterion.op = op;
    strict.criterion.threshold = threshold;
    return test({measurement}, strict, kLevel).clause;
  };
  auto values = units(1, 0.1), worst_known = values, at_threshold = values;
  values[3] = kNaN;
  worst_known[3] = *std::ranges::min_element(worst_known);
  at_threshold[3] = 0.2;
  EXPECT_EQ(clause_of(values, Operator::above, 2), clause_of(worst_known, Operator::above, 2));
  EXPECT_EQ(clause_of(values, Operator::above, 0.2), clause_of(at_threshold, Operator::above, 0.2));
  worst_known[3] = *std::ranges::max_element(worst_known);
  EXPECT_EQ(clause_of(values, Operator::below, 0.2), clause_of(worst_known, Operator::below, 0.2));
  EXPECT_NE(clause_of(values, Operator::below, 0.2), clause_of(at_threshold, Operator::below, 0.2));
}

TEST(Requirement, ManyMissingUnitsLoseAPassAndNeverMakeAFail) {
  auto strict = above("effect");
  strict.missing_is_worst = true;
  auto values = units(1, 0.1);
  const auto outcome = [&] {
    Measurement measurement;
    add(measurement, "effect", values);
    return test({measurement}, strict, kLevel).outcome;
  };
  EXPECT_EQ(outcome(), Outcome::pass);
  std::fill_n(values.begin(), 12, kNaN);
  EXPECT_EQ(outcome(), Outcome::inconclusive);
  values.assign(16, kNaN);
  EXPECT_EQ(outcome(), Outcome::inconclusive);
}

TEST(Requirement, IsLeftOutWhereItIsOptionalAndWasNotMeasured) {
  Measurement measurement;
  add(measurement, "effect", units(1, 0.5));
  auto extra = above("extra");
  extra.optional = true;
  auto at_random = control("at_random");
  at_random.optional = true;
  const auto rules = claim({above("effect"), extra}, {at_random});
  const auto ruling = rule({measurement}, rules);
  EXPECT_EQ(ruling.verdict, Verdict::pass) << ruling.reason;
  EXPECT_EQ(ruling.requirements[1].outcome, Outcome::not_measured);
  EXPECT_EQ(ruling.controls[0].outcome, Outcome::not_measured);
  add(measurement, "extra", units(-1, 0.5));
  EXPECT_EQ(rule({measurement}, rules).verdict, Verdict::fail);
}

TEST(Requirement, ThatIsLeftOutMakesNoArithmeticDecideLess) {
  Measurement measurement;
  add(measurement, "identity", units(1, 0.5));
  auto identity = above("identity"), extra = above("extra");
  identity.arithmetic = true;
  extra.optional = true;
  EXPECT_TRUE(rule({measurement}, claim({identity, extra})).by_arithmetic);
}

TEST(Requirement, WithoutPerUnitValuesItIsOpenAndWithoutAMetricAnError) {
  Measurement measurement;
  add_exact(measurement, "effect", 5);
  EXPECT_EQ(test({measurement}, above("effect"), kLevel).outcome, Outcome::inconclusive);
  expect_error([&] { test({measurement}, above("other"), kLevel); }, "the metric 'other' was not measured");
}

TEST(Requirement, NearerThanTheErrorOfASmallerTypeItIsOpen) {
  Measurement measurement;
  add(measurement, "effect", units(1, 0.1));
  add_exact(measurement, "effect_dtype_error", 0.9);
  EXPECT_EQ(test({measurement}, above("effect"), kLevel).outcome, Outcome::pass);
  measurement.metrics.back().value = 1.1;
  EXPECT_EQ(test({measurement}, above("effect"), kLevel).outcome, Outcome::inconclusive);
}

TEST(Requirement, TakesTheFirstMetricOfAName) {
  Measurement measurement;
  add(measurement, "effect", units(1, 0.1));
  add(measurement, "effect", units(-1, 0.1), {}, "random");
  EXPECT_EQ(test({measurement}, above("effect"), kLevel).outcome, Outcome::pass);
}

TEST(Requirement, IsLookedUpByStage) {
  Measurement measurement;
  add(measurement, "effect", units(-1, 0.1), {{"spike", 3}});
  add(measurement, "effect", units(1, 0.1), {{"spike", 12}});
  EXPECT_EQ(test({measurement, {{"spike", 3}}}, above("effect"), kLevel).outcome, Outcome::fail);
  EXPECT_EQ(test({measurement, {{"spike", 12}}}, above("effect"), kLevel).outcome, Outcome::pass);
  expect_error([&] { test({measurement, {{"spike", 4}}}, above("effect"), kLevel); }, "was not measured");
}

// ---- groups

TEST(Requirement, PartialConjunctionTakesTheRankedP) {
  const std::vector<double> p = {0.04, 0.001, 0.5, 0.002};
  EXPECT_DOUBLE_EQ(at_least_p(p, 1), 4 * 0.001);
  EXPECT_DOUBLE_EQ(at_least_p(p, 2), 3 * 0.002);
  EXPECT_DOUBLE_EQ(at_least_p(p, 3), 2 * 0.04);  // "three of four": twice the third smallest
  EXPECT_DOUBLE_EQ(at_least_p(p, 4), 0.5);
  EXPECT_DOUBLE_EQ(at_least_p({0.9, 0.8}, 1), 1);
}

TEST(Requirement, GroupsHoldWhereAllOrSomeMembersDo) {
  Measurement measurement;
  for (const std::string name : {"a", "b", "c"}) add(measurement, name, units(1, 0.5));
  add(measurement, "open", units(0, 0.5));
  add(measurement, "against", units(-1, 0.5));
  add(measurement, "against_too", units(-1, 0.5));
  const auto outcome = [&](const Requirement& group) { return test({measurement}, group, kLevel).outcome; };
  const auto a = above("a"), b = above("b"), c = above("c"), open = above("open");
  const auto against = above("against"), against_too = above("against_too");
  EXPECT_EQ(outcome(all_of({a, b, c})), Outcome::pass);
  EXPECT_EQ(outcome(all_of({a, open})), Outcome::inconclusive);
  EXPECT_EQ(outcome(all_of({a, open, against})), Outcome::fail);
  EXPECT_EQ(outcome(some_of(3, {a, b, c, against})), Outcome::pass);
  EXPECT_EQ(outcome(some_of(3, {a, b, open, against})), Outcome::inconclusive);  // three may still hold
  EXPECT_EQ(outcome(some_of(3, {a, b, against, against_too})), Outcome::fail);   // three cannot
  EXPECT_EQ(outcome(some_of(1, {against, a})), Outcome::pass);
  EXPECT_EQ(outcome(some_of(1, {against, open})), Outcome::inconclusive);
  EXPECT_EQ(outcome(some_of(1, {against, against_too})), Outcome::fail);
  EXPECT_EQ(outcome(some_of(2, {all_of({a, b}), all_of({a, against}), c})), Outcome::pass);
}

TEST(Requirement, ItsLeastPSaysWhetherItCanPassAtAll) {
  auto few = above("effect");
  few.units = 8;
  EXPECT_EQ(least_attainable_p(above("effect")), std::ldexp(1.0, -16));
  EXPECT_GT(least_attainable_p(few), kLevel);
  EXPECT_EQ(least_attainable_p(all_of({above("a"), few})), std::ldexp(1.0, -8));
  EXPECT_EQ(least_attainable_p(some_of(1, {above("a"), few})), 2 * std::ldexp(1.0, -16));
  EXPECT_EQ(least_attainable_p(exactly("cells", Operator::above, 1)), 0);
}

TEST(Requirement, TheLevelSaysHowManyUnitsAVerdictNeeds) {
  EXPECT_EQ(fewest_units(claim({above("effect")})), 9);  // 2^-9 < 0.003 < 2^-8
  auto training = claim({exactly("cells", Operator::above, 1), above("effect")});
  training.level = 0.007;
  EXPECT_EQ(fewest_units(training), 8);
  EXPECT_EQ(fewest_units(claim({exactly("cells", Operator::above, 1)})), 0);
}

// ---- controls

struct ControlCase {
  double effect, control;
  Operator op;
  bool two_sided;
  Outcome outcome;
};

TEST(JointControl, IsNegativeFiresOrIsOpen) {
  const auto up = Operator::above, down = Operator::below;
  const ControlCase cases[] = {
      {1, 0, up, false, Outcome::pass},
      {1, 0.5, up, false, Outcome::fail},
      {1, 0.2, up, false, Outcome::inconclusive},
      {1, -0.9, up, false, Outcome::pass},  // it changes the quantity in the other direction
      {1, -0.9, up, true, Outcome::fail},   // which counts where the claim says so
      {1, 0.5, up, true, Outcome::fail},
      {1, 0, up, true, Outcome::pass},
      {-1, 0, down, false, Outcome::pass},
      {-1, -0.5, down, false, Outcome::fail},
      {-1, 0.5, down, false, Outcome::pass},
  };
  for (const auto& [effect, change, op, two_sided, outcome] : cases) {
    Measurement measurement;
    add(measurement, "effect", units(effect, 0.05));
    auto values = units(change, 0.03);
    std::rotate(values.begin(), values.begin() + 1, values.end());
    add(measurement, "control", values);
    auto asked = control("control", two_sided);
    asked.op = op;
    EXPECT_EQ(test({measurement}, asked, kLevel).outcome, outcome) << effect << " " << change << " " << two_sided;
  }
}

TEST(JointControl, ThatIsNotFiniteIsNeverJudged) {
  for (const double strange : {kNaN, kInfinity, -kInfinity}) {
    auto broken = units(0, 0.03), whole = units(1, 0.05);
    broken[3] = strange;
    Measurement of_control, of_effect;
    add(of_control, "effect", whole);
    add(of_control, "control", broken);
    add(of_effect, "effect", broken);
    add(of_effect, "control", units(0, 0.03));
    for (const auto* measurement : {&of_control, &of_effect}) {
      for (const bool two_sided : {false, true}) {
        const auto tested = test({*measurement}, control("control", two_sided), kLevel);
        EXPECT_EQ(tested.outcome, Outcome::inconclusive) << strange << two_sided;
        EXPECT_EQ(tested.p, 1);
        EXPECT_EQ(tested.opposite, 1);
      }
    }
  }
}

TEST(JointControl, WithinTheErrorOfASmallerTypeIsOpen) {
  const auto outcome = [](double of_control, double of_effect) {
    Measurement measurement;
    add(measurement, "effect", units(1, 0.01));
    add(measurement, "control", units(0.1, 0.001));  // the limit is 0.2
    add_exact(measurement, "control_dtype_error", of_control);
    add_exact(measurement, "effect_dtype_error", of_effect);
    return test({measurement}, control("control"), kLevel).outcome;
  };
  EXPECT_EQ(outcome(0.09, 0), Outcome::pass);
  EXPECT_EQ(outcome(0.11, 0), Outcome::inconclusive);
  EXPECT_EQ(outcome(0.09, 0.04), Outcome::pass);
  EXPECT_EQ(outcome(0.09, 0.06), Outcome::inconclusive);
}

TEST(JointControl, NeedsBothOfItsMetrics) {
  Measurement measurement;
  add(measurement, "control", units(0, 0.01));
  expect_error([&] { test({measurement}, control("control"), kLevel); }, "the metric 'effect' was not measured");
  expect_error([&] { test({measurement}, control("absent"), kLevel); }, "the metric 'absent' was not measured");
}

TEST(JointControl, IsPairedWithItsEffectUnitByUnit) {
  // A quarter of the effect in every unit, however large the effect is there: above a fifth of it in each.
  const std::vector<double> effect = {0.1, 2, 0.3, 4, 0.2, 1, 3, 0.5, 0.1, 2, 0.3, 4, 0.2, 1, 3, 0.5};
  std::vector<double> quarter;
  for (const double value : effect) quarter.push_back(value / 4);
  Measurement measurement;
  add(measurement, "effect", effect);
  add(measurement, "control", quarter);
  EXPECT_EQ(test({measurement}, control("control"), kLevel).outcome, Outcome::fail);
  measurement.metrics.back().inputs = measurement.samples.back().inputs = "random";  // other units
  EXPECT_EQ(test({measurement}, control("control"), kLevel).outcome, Outcome::inconclusive);
}

TEST(JointControl, OfOtherUnitsIsComparedByWelchsTest) {
  Measurement measurement;
  add(measurement, "effect", {5.1, 4.2, 6.3, 5.5, 4.9, 5.0, 6.1, 5.8, 4.4, 5.2});
  add(measurement, "control", {1.3, 0.2, 0.9, 1.6, 0.4, 1.1, 0.7, 1.2, 0.5, 1.0, 0.8, 1.4}, {}, "random");
  const auto tested = test({measurement}, control("control"), kLevel);
  // scipy.stats.ttest_ind(control, 0.2 * effect, equal_var=False, alternative="less" and "greater")
  EXPECT_NEAR(tested.p, 0.176473560023, 1e-9);
  EXPECT_NEAR(tested.opposite, 0.823526439977, 1e-9);
}

// ---- rulings

TEST(Ruling, PassesWhereEverythingHolds) {
  Measurement measurement;
  add(measurement, "effect", units(1, 0.1));
  add(measurement, "control", units(0, 0.01));
  add_exact(measurement, "induced", 0.5);
  auto requirements = claim({above("effect")}, {control("control")});
  requirements.checks = {exactly("induced", Operator::at_least, 0.2)};
  const auto ruling = rule({measurement}, requirements);
  EXPECT_EQ(ruling.verdict, Verdict::pass);
  EXPECT_NE(ruling.reason.find("effect = 1 ["), std::string::npos) << ruling.reason;
}

TEST(Ruling, FailsByAControlAlone) {
  Measurement measurement;
  add(measurement, "effect", units(1, 0.1));
  add(measurement, "control", units(0.9, 0.01));
  const auto ruling = rule({measurement}, claim({above("effect")}, {control("control")}));
  EXPECT_EQ(ruling.verdict, Verdict::fail);
  EXPECT_TRUE(ruling.by_a_control_alone);
  const auto both = rule({measurement}, claim({above("effect", 2)}, {control("control")}));
  EXPECT_EQ(both.verdict, Verdict::fail);
  EXPECT_FALSE(both.by_a_control_alone);
}

TEST(Ruling, OneFailureOutweighsEverythingElse) {
  Measurement measurement;
  add(measurement, "holds", units(1, 0.1));
  add(measurement, "fails", units(-1, 0.1));
  add(measurement, "open", units(0, 1));
  const auto ruling = rule({measurement}, claim({above("holds"), above("fails"), above("open")}));
  EXPECT_EQ(ruling.verdict, Verdict::fail);
  EXPECT_EQ(ruling.reason.find("fails = -1 ["), 0u) << ruling.reason;
  EXPECT_EQ(ruling.reason.find("open"), std::string::npos) << ruling.reason;
}

TEST(Requirement, AGroupNamesItsMembersWhereItDoesNotPass) {
  Measurement measurement;
  add(measurement, "a", units(1, 0.5));
  add(measurement, "b", units(-1, 0.5));
  const auto passes = test({measurement}, some_of(1, {above("a"), above("b")}), kLevel);
  EXPECT_EQ(passes.outcome, Outcome::pass);
  EXPECT_EQ(passes.clause.find("a = "), std::string::npos) << passes.clause;
  const auto fails = test({measurement}, all_of({above("a"), above("b")}), kLevel);
  EXPECT_EQ(fails.outcome, Outcome::fail);
  EXPECT_NE(fails.clause.find("b = -1"), std::string::npos) << fails.clause;
}

TEST(Ruling, SaysWhereOnly95PercentAreReached) {
  Measurement measurement;
  add(measurement, "effect", units(1, 1.6));
  add(measurement, "sure", units(1, 0.1));
  const auto ruling = rule({measurement}, claim({above("effect"), above("sure")}));
  EXPECT_EQ(ruling.verdict, Verdict::inconclusive);
  EXPECT_NE(ruling.reason.find("reaches 95%"), std::string::npos) << ruling.reason;
  add(measurement, "unsure", units(0, 1));
  const auto less = rule({measurement}, claim({above("effect"), above("unsure")}));
  EXPECT_EQ(less.reason.find("reaches 95%"), std::string::npos) << less.reason;
}

TEST(Ruling, OfAnInterventionThatDidNotTakeIsOpen) {
  Measurement measurement;
  add(measurement, "effect", units(-1, 0.1));
  add_exact(measurement, "induced", 0.1);
  auto requirements = claim({above("effect")});
  requirements.checks = {exactly("induced", Operator::at_least, 0.2)};
  const auto ruling = rule({measurement}, requirements);
  EXPECT_EQ(ruling.verdict, Verdict::inconclusive);
  EXPECT_EQ(ruling.reason, "the intervention did not take: induced = 0.1, must be >= 0.2");
  measurement.metrics.back().value = kNaN;
  EXPECT_EQ(rule({measurement}, requirements).verdict, Verdict::inconclusive);
}

TEST(Ruling, SaysWhatAnUnmetCheckMeansAfterTooFewUnits) {
  Measurement measurement;
  add(measurement, "effect", units(-1, 0.1));
  add_exact(measurement, "seeds_with_sink", 3);
  add_exact(measurement, "growth", 1.5);
  add_exact(measurement, "headroom", 0);
  const auto with_meaning = [](Requirement check, const std::string& meaning) {
    check.unmet = meaning;
    return check;
  };
  auto requirements = claim({above("effect")});
  requirements.checks = {with_meaning(exactly("seeds_with_sink", Operator::at_least, 8), "no sink"),
                         with_meaning(exactly("growth", Operator::at_least, 2), "no sink"),
                         with_meaning(exactly("headroom", Operator::at_least, 0.1), "nothing left to gain")};
  const std::string unmet =
      "no sink: seeds_with_sink = 3, must be >= 8; growth = 1.5, must be >= 2; "
      "nothing left to gain: headroom = 0, must be >= 0.1";
  EXPECT_EQ(rule({measurement}, requirements).reason, unmet);
  measurement.metrics.clear();
  measurement.samples.clear();
  add(measurement, "effect", units(-1, 0.1, 4));
  for (const auto* name : {"seeds_with_sink", "growth", "headroom"}) add_exact(measurement, name, 0);
  const auto few = rule({measurement}, requirements);
  EXPECT_EQ(few.verdict, Verdict::inconclusive);
  EXPECT_LT(few.reason.find("has too few units: 4"), few.reason.find("no sink:")) << few.reason;
}

TEST(Ruling, WhatHoldsByArithmeticDecidesNothing) {
  Measurement measurement;
  add(measurement, "effect", units(0, 1));
  add(measurement, "identity", units(1, 0.01));
  auto identity = above("identity");
  identity.arithmetic = true;
  const auto with_other = rule({measurement}, claim({above("effect"), identity}));
  EXPECT_EQ(with_other.verdict, Verdict::inconclusive);
  EXPECT_FALSE(with_other.by_arithmetic);
  identity.criterion.threshold = 2;  // even where it fails
  EXPECT_EQ(rule({measurement}, claim({above("effect"), identity})).verdict, Verdict::inconclusive);
  identity.criterion.threshold = 0;
  const auto alone = rule({measurement}, claim({identity}));
  EXPECT_EQ(alone.verdict, Verdict::pass);
  EXPECT_TRUE(alone.by_arithmetic);
  EXPECT_FALSE(alone.reason.empty());
}

TEST(Ruling, MayContradictOnlyWhereWhatTheClaimAsksHolds) {
  Measurement measurement;
  add(measurement, "dose_4", units(-1, 0.5));
  add(measurement, "dose_8", units(1, 0.5));
  auto requirements = claim({above("dose_4")});
  EXPECT_TRUE(rule({measurement}, requirements).may_contradict);
  requirements.contradicts_if = {above("dose_8")};
  EXPECT_TRUE(rule({measurement}, requirements).may_contradict);
  requirements.contradicts_if = {above("dose_8"), above("dose_4")};
  EXPECT_FALSE(rule({measurement}, requirements).may_contradict);
}

// ---- in the record's terms

TEST(Ruling, FillsTheRecordsFindings) {
  Measurement measurement;
  add(measurement, "a", units(1, 0.1));
  add(measurement, "b", units(-1, 0.1));
  add(measurement, "effect", units(1, 0.1));
  add(measurement, "control", units(0, 0.01));
  Judging judging;
  judging.requirements = claim({above("effect"), some_of(1, {above("a"), above("b")})}, {control("control")});
  const auto judgement = judge(measurement, judging);
  EXPECT_EQ(judgement.verdict, Verdict::pass);
  ASSERT_EQ(judgement.criteria.size(), 3u);  // groups are taken apart
  EXPECT_EQ(judgement.criteria[0].metric, "effect");
  EXPECT_EQ(judgement.criteria[2].metric, "b");
  EXPECT_EQ(judgement.criteria[2].outcome, Outcome::fail);
  EXPECT_LE(*judgement.criteria[1].p, kLevel);
  ASSERT_EQ(judgement.controls.size(), 1u);
  EXPECT_EQ(judgement.controls[0].outcome, ControlOutcome::negative);
  measurement.unmet = "no spike with a sink after it";
  EXPECT_EQ(judge(measurement, judging).verdict, Verdict::not_applicable);
  EXPECT_EQ(judge(measurement, judging).bearing, Bearing::silent);
  EXPECT_EQ(judge(measurement, judging).criteria[0].outcome, Outcome::not_measured);
  EXPECT_EQ(judge(measurement, judging).reason, "no spike with a sink after it");
}

TEST(Ruling, IsOpenWhereTooFewSequencesWereGiven) {
  for (const double mean : {1, -1}) {
    Measurement measurement;
    add(measurement, "effect", units(mean, 0.1));
    measurement.too_few = "too few sequences";
    Judging judging;
    judging.requirements = claim({above("effect")});
    const auto judgement = judge(measurement, judging);
    EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
    EXPECT_EQ(judgement.reason, "too few sequences");
    EXPECT_EQ(judgement.bearing, Bearing::silent);
    EXPECT_EQ(judgement.criteria[0].outcome, mean > 0 ? Outcome::pass : Outcome::fail);
  }
}

// ---- variations

/// Units so alike that every criterion is decided.
Measurement decided(std::initializer_list<std::pair<const char*, double>> means) {
  Measurement measurement;
  for (const auto& [name, mean] : means) add(measurement, name, units(mean, 0.1));
  return measurement;
}

std::optional<bool> agrees(const Measurement& judged, const Measurement& varied, const Requirements& requirements) {
  return agreement({varied}, requirements, rule({judged}, requirements)).agrees;
}

TEST(Variation, AgreesWithAPassWhereEveryPointEstimateDoes) {
  const auto judged = decided({{"effect", 1}, {"other", 1}, {"control", 0.1}});
  Measurement varied;
  add(varied, "effect", units(1, 5));  // far from any level
  add(varied, "other", units(-1, 5));
  add(varied, "control", units(0.1, 5));
  EXPECT_EQ(agrees(judged, varied, claim({above("effect")}, {control("control")})), true);
  EXPECT_EQ(agrees(judged, varied, claim({above("effect"), above("other")})), false);
  EXPECT_EQ(agrees(judged, varied, claim({some_of(1, {above("effect"), above("other")})})), true);
  EXPECT_EQ(agrees(judged, varied, claim({some_of(2, {above("effect"), above("other")})})), false);
  EXPECT_EQ(agrees(judged, decided({{"effect", 1}, {"control", 0.3}}), claim({above("effect")}, {control("control")})),
            false);
}

/// A fail is met again where what failed is missed again, and not where something else is.
TEST(Variation, AgreesWithAFailWhereWhatFailedIsMissedAgain) {
  const auto requirements = claim({above("effect"), above("other")}, {control("control")});
  const auto judged = decided({{"effect", -1}, {"other", 1}, {"control", -1}});
  EXPECT_EQ(agrees(judged, decided({{"effect", -1}, {"other", 1}, {"control", -1}}), requirements), true);
  EXPECT_EQ(agrees(judged, decided({{"effect", 1}, {"other", -1}, {"control", -1}}), requirements), false);
  const auto by_control = decided({{"effect", 1}, {"other", 1}, {"control", 1}});
  EXPECT_EQ(agrees(by_control, decided({{"effect", 1}, {"other", 1}, {"control", 1}}), requirements), true);
  EXPECT_EQ(agrees(by_control, decided({{"effect", 1}, {"other", -1}, {"control", 0}}), requirements), false);
}

TEST(Variation, IsNotDecidedByWhatHoldsByArithmetic) {
  auto identity = above("identity");
  identity.arithmetic = true;
  const auto judged = decided({{"effect", 1}, {"identity", 1}});
  EXPECT_EQ(agrees(judged, decided({{"effect", 1}, {"identity", -1}}), claim({above("effect"), identity})), true);
  EXPECT_EQ(agrees(judged, decided({{"identity", -1}}), claim({identity})), false) << "nothing else is left";
}

TEST(Variation, SaysNothingWhereItCannotBeTold) {
  auto optional = above("other");
  optional.optional = true;
  auto requirements = claim({above("effect"), optional});
  requirements.checks = {above("check")};
  requirements.checks[0].exact = true;
  const auto judged = decided({{"effect", 1}, {"other", 1}, {"check", 1}});
  const auto why = [&](const Measurement& varied, const Measurement& of) {
    const auto found = agreement({varied}, requirements, rule({of}, requirements));
    EXPECT_FALSE(found.agrees.has_value()) << found.reason;
    return found.reason;
  };
  EXPECT_EQ(agrees(judged, judged, requirements), true);
  EXPECT_NE(why(decided({{"effect", 1}, {"other", 1}, {"check", -1}}), judged).find("did not take"), std::string::npos);
  EXPECT_EQ(why(decided({{"effect", kNaN}, {"other", 1}, {"check", 1}}), judged), "effect has no value");
  EXPECT_EQ(why(decided({{"effect", 1}, {"check", 1}}), judged), "other does not apply");
  EXPECT_EQ(why(judged, decided({{"effect", 1}, {"other", 1}, {"check", -1}})), "the verdict is inconclusive");
}

}  // namespace
}  // namespace replicate
