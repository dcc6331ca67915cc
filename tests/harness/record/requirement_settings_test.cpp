#include "harness/record/settings/requirement_settings.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

class RequirementSettings : public SettingsTest {
 protected:
  Requirements requirements(const std::string& yaml) const {
    return *read_requirements(Yaml::parse(yaml, "claim.yaml"), read_judging_rules(folder_.path()));
  }
};

constexpr const char* kWhole = R"(version: 2
family: pretrained
stages: each and all
units: 16
requires:
  - {metric: beyond_half, op: ">", threshold: 0, source: half of the paper's}
  - {metric: cells, op: ">=", threshold: 24, fails_at: 3, exact: yes, source: a convention}
  - {metric: identity, op: ">", threshold: 0, arithmetic: yes, optional: yes, source: arithmetic}
  - name: targets
    at_least: 2
    of:
      - {metric: k5, op: "<", threshold: 1, units: 32, source: the paper's}
      - name: k10
        of:
          - {metric: k10_level, op: ">", threshold: 0, source: the paper's}
          - {metric: k10_rise, op: ">", threshold: 0, source: the paper's}
      - {metric: k20, op: "<", threshold: 1, source: the paper's}
checks: [{metric: induced, op: ">=", threshold: 0.2, source: a convention}]
controls: [{metric: at_random, of: change, op: "<", fraction: 0.1, two_sided: yes, optional: yes, source: a convention}]
bearing: {pass: silent}
contradicts_if: [{metric: at_dose_8, op: "<", threshold: 0, source: a convention}]
)";

TEST_F(RequirementSettings, AreReadWhole) {
  const auto read = requirements(kWhole);
  EXPECT_EQ(read.level, 0.003);
  ASSERT_EQ(read.all.size(), 4u);
  EXPECT_EQ(read.all[0].units, 16);
  EXPECT_TRUE(read.all[1].exact);
  EXPECT_EQ(read.all[1].fails_at, 3);
  EXPECT_TRUE(read.all[2].arithmetic);
  EXPECT_TRUE(read.all[2].optional);
  EXPECT_FALSE(read.all[1].optional);
  ASSERT_TRUE(read.all[3].is_group());
  EXPECT_EQ(read.all[3].at_least, 2);
  EXPECT_EQ(read.all[3].members[0].units, 32);
  EXPECT_EQ(read.all[3].members[1].members.size(), 2u);
  EXPECT_FALSE(read.all[3].members[1].at_least);
  ASSERT_EQ(read.checks.size(), 1u);
  EXPECT_TRUE(read.checks[0].exact);
  ASSERT_EQ(read.controls.size(), 1u);
  EXPECT_EQ(read.controls[0].op, Operator::below);
  EXPECT_TRUE(read.controls[0].two_sided);
  EXPECT_TRUE(read.controls[0].optional);
  EXPECT_EQ(read.controls[0].fraction, 0.1);
  EXPECT_EQ(read.version, 2);
  EXPECT_EQ(read.stages, StageCalls::each_and_all);
  EXPECT_EQ(read.bearing, (std::map<Verdict, Bearing>{{Verdict::pass, Bearing::silent}}));
  ASSERT_EQ(read.contradicts_if.size(), 1u);
  EXPECT_EQ(read.contradicts_if[0].criterion.metric, "at_dose_8");
}

TEST_F(RequirementSettings, SayHowMissingUnitsCountAndWhatAnUnmetCheckMeans) {
  EXPECT_FALSE(requirements(kWhole).all[0].missing_is_worst);
  EXPECT_EQ(requirements(kWhole).checks[0].unmet, "");
  const auto strict = requirements(replaced(replaced(kWhole, "units: 16\n", "units: 16\nmissing_units: worst\n"),
                                            "threshold: 0.2, source", "threshold: 0.2, unmet: no sink, source"));
  EXPECT_TRUE(strict.all[0].missing_is_worst);
  EXPECT_FALSE(strict.all[1].missing_is_worst) << "an exact number has no units";
  EXPECT_TRUE(strict.all[3].members[1].members[0].missing_is_worst);
  EXPECT_EQ(strict.checks[0].unmet, "no sink");
  EXPECT_NE(canonical_text(strict), canonical_text(requirements(kWhole)));
}

TEST_F(RequirementSettings, TellWhichMetricsAreJudged) {
  EXPECT_EQ(judged_metrics(requirements(kWhole)),
            (std::set<std::string>{"at_dose_8", "at_random", "beyond_half", "cells", "change", "identity", "induced",
                                   "k10_level", "k10_rise", "k20", "k5"}));
}

struct BadRequirement {
  const char *from, *to, *message;
};

TEST_F(RequirementSettings, RefuseWhatCannotBeJudged) {
  const BadRequirement cases[] = {
      {"family: pretrained", "family: pretraind", "did you mean 'pretrained'?"},
      {"units: 16", "units: 8", "can never hold: its units show a p of 0.0039 at best"},
      {"units: 16", "units: 1", "out of range"},
      {"units: 16", "units: 16\nmissing_units: best", "'missing_units' is not a way to count missing units"},
      {"at_least: 2", "at_least: 4", "out of range"},
      {"at_least: 2", "at_least: 0", "out of range"},
      {"exact: yes, ", "", "'requires[1].fails_at' is only for exact numbers"},
      {"fraction: 0.1", "fraction: 0", "is not above 0"},
      {"op: \"<\", fraction", "op: \"!\", fraction", "op"},
      {"metric: k20", "metrik: k20", "metrik"},
      {"name: targets", "at_most: 3", "at_most"},
      {"version: 2\n", "", "version"},
      {"version: 2", "version: 0", "out of range"},
      {"each and all", "all", "did you mean 'each and all'?"},
      {"{pass: silent}", "{error: silent}", "error"},
      {"{pass: silent}", "{pass: loud}", "loud"},
      {"units: 32, source", "arithmetic: yes, source", "'requires[3].of[0].arithmetic' is not allowed in a group"},
  };
  for (const auto& [from, to, message] : cases) {
    expect_has(message_of([&, from = from, to = to] { requirements(replaced(kWhole, from, to)); }), message);
  }
  expect_has(message_of([&] { requirements("{version: 2, family: beyond, units: 16}"); }), "nothing is required");
  expect_has(message_of([&] {
               requirements(
                   "{version: 2, family: beyond, units: 16, requires: [{metric: a, op: '>', threshold: 0, "
                   "optional: yes, source: a test}]}");
             }),
             "nothing that always applies");
}

TEST_F(RequirementSettings, TheLevelDecidesHowManyUnitsAreNeeded) {
  const auto with = [&](const char* family, int units) {
    return requirements("version: 2\nfamily: " + std::string(family) + "\nunits: " + std::to_string(units) +
                        "\nrequires: [{metric: m, op: \">\", threshold: 0, source: a test}]\n");
  };
  EXPECT_NO_THROW(with("beyond", 6));  // 2^-6 < 0.025
  EXPECT_ANY_THROW(with("beyond", 5));
  EXPECT_NO_THROW(with("pretrained", 9));  // 2^-9 < 0.003
  EXPECT_ANY_THROW(with("pretrained", 8));
}

TEST_F(RequirementSettings, RulesThatAreNotRulesAreRefused) {
  const BadRequirement cases[] = {
      {"pretrained: 0.003", "pretrained: 0", "is not above 0"},
      {"pretrained: 0.003", "pretrained: 0.7", "is not a level of a test"},
      {"ends_below: 3", "ends_below: 7", "let ends_below be at most starts_at"},
      {"sink_excess: 0.2", "sink_exess: 0.2", "sink_exess"},
  };
  for (const auto& [from, to, message] : cases) {
    folder_.write("judging.yaml", replaced(kJudgingRules, from, to));
    expect_has(message_of([&] { read_judging_rules(folder_.path()); }), message);
  }
}

TEST_F(RequirementSettings, AreNothingWithoutAFamily) {
  const auto read = [&](const std::string& yaml) {
    return read_requirements(Yaml::parse(yaml, "claim.yaml"), read_judging_rules(folder_.path()));
  };
  EXPECT_FALSE(read("{title: a claim}"));
  for (const std::string key :
       {"version", "stages", "units", "missing_units", "requires", "checks", "controls", "bearing", "contradicts_if"}) {
    expect_has(message_of([&] { read("{" + key + ": 2}"); }), "'" + key + "' is only for claims with a family");
  }
}

TEST_F(RequirementSettings, AClaimWithAFamilyIsJudgedByThem) {
  const auto second = kBeta + std::string(
                                  "version: 2\nfamily: beyond\nunits: 16\nrequires: [{metric: effect, op: \">\", "
                                  "threshold: 0, source: a test}]\n");
  folder_.write("claims/beta_claim.yaml", second);
  const auto judging = load().claims.at(0).judging;
  ASSERT_TRUE(judging.requirements);
  EXPECT_EQ(judging.requirements->level, 0.025);
  const auto hash = thresholds_sha256(judging);
  folder_.write("claims/beta_claim.yaml", replaced(second, "threshold: 0", "threshold: 1"));
  EXPECT_NE(thresholds_sha256(load().claims.at(0).judging), hash);
}

}  // namespace
}  // namespace replicate
