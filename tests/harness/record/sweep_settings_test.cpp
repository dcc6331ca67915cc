#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "harness/record/settings/settings_yaml.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

constexpr const char* kSweep = R"(sweep:
  each: {word: slow, sweep: []}
  points:
    k5: {target: 5}
    t64: {natural.length: 64, eps: 0.5}
    bos: {bos: on}
    seed2: {seed: 2, target: 7}
)";

class SweepTest : public SettingsTest {
 protected:
  /// Alpha's sweep with these points, at this cap.
  std::vector<SweepSettings> sweep(const std::string& yaml = kSweep, const std::string& sequences = "3",
                                   std::vector<std::string> overrides = {}) const {
    folder_.write("claims/alpha_claim.yaml", kAlpha + yaml);
    overrides.push_back("sweep_sequences=" + sequences);
    return alpha(std::move(overrides)).sweep;
  }
  std::string rejected(const std::string& points) const {
    return message_of([&] { sweep("sweep: {points: " + points + "}\n", "0"); });
  }
};

TEST_F(SweepTest, EveryPointChangesWhatItNamesAndWhatAllOfThemDo) {
  const auto points = sweep();
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[0].suffix, "k5");
  EXPECT_EQ(points[0].changes, "target: 5");
  EXPECT_EQ(points[0].parameters.integer("target"), 5);
  EXPECT_EQ(points[0].parameters.text("word"), "slow");
  EXPECT_TRUE(points[0].parameters.integers("sweep").empty());
  EXPECT_EQ(points[0].parameters.integer("natural.length"), 128);
  EXPECT_EQ(points[1].parameters.integer("natural.length"), 64);
  EXPECT_EQ(points[1].parameters.real("eps"), 0.5);
  EXPECT_EQ(points[1].parameters.integer("target"), 10);  // no point changes another
  EXPECT_EQ(points[1].changes, "natural.length: 64, eps: 0.5");
  EXPECT_FALSE(points[1].bos.has_value());
  EXPECT_FALSE(points[1].seed.has_value());
}

TEST_F(SweepTest, BosAndSeedBelongToTheRun) {
  const auto points = sweep();
  EXPECT_EQ(points[2].bos, std::optional<bool>(true));
  EXPECT_EQ(points[2].changes, "bos: on");
  EXPECT_EQ(points[3].seed, std::optional<uint64_t>(2));
  EXPECT_EQ(points[3].parameters.integer("target"), 7);
  EXPECT_EQ(points[3].changes, "seed: 2, target: 7");
}

TEST_F(SweepTest, TheClaimItselfStaysAsItIs) {
  sweep();
  const auto claim = alpha({"sweep_sequences=3"});
  EXPECT_EQ(claim.parameters.integer("target"), 10);
  EXPECT_EQ(claim.parameters.integer("natural.sequences"), 4);
  EXPECT_EQ(claim.parameters.text("word"), "fast");
}

TEST_F(SweepTest, ThereIsNoneUnlessTheProfileAsksForIt) {
  EXPECT_TRUE(sweep(kSweep, "0").empty());
  EXPECT_TRUE(alpha().sweep.empty());                                // the small profile says nothing
  EXPECT_TRUE(load({"sweep_sequences=3"}).claims[0].sweep.empty());  // nor does Beta's YAML
  folder_.write("profiles/small.yaml", std::string(kProfile) + "sweep_sequences: 2\n");
  EXPECT_EQ(alpha().sweep.size(), 4u);
  EXPECT_EQ(alpha().sweep[0].parameters.integer("natural.sequences"), 2);
  expect_has(message({"sweep_sequences=-1"}), "sweep_sequences");
  expect_has(message({"sweep_sequences=some"}), "sweep_sequences");
}

TEST_F(SweepTest, PointsHaveNoMoreSequencesThanTheProfileGrants) {
  EXPECT_EQ(sweep()[0].parameters.integer("natural.sequences"), 3);
  EXPECT_EQ(sweep(kSweep, "100")[0].parameters.integer("natural.sequences"), 4);  // those of the claim
}

TEST_F(SweepTest, TheCapIsOnTheInputsThatAreJudged) {
  const std::string claim = R"({id: gamma_claim, title: G, kind: mechanism, statement: s,
    paper: {figures: [], expected: e},
    parameters: {judged_on: random, random: {sequences: 9}, natural: {sequences: 9}, target: 1},
    sweep: {points: {k2: {target: 2}}}})";
  folder_.write("claims/gamma_claim.yaml", claim);
  const auto points = load({"sweep_sequences=5"}, "gamma_claim").claims.at(0).sweep;
  ASSERT_EQ(points.size(), 1u);
  EXPECT_EQ(points[0].parameters.integer("random.sequences"), 5);
  EXPECT_EQ(points[0].parameters.integer("natural.sequences"), 9);
}

TEST_F(SweepTest, WhatTheCommandLineSetsHoldsForThePointsToo) {
  const auto points = sweep(kSweep, "3", {"claims.alpha_claim.scale=2.5", "claims.alpha_claim.target=11"});
  EXPECT_EQ(points[0].parameters.real("scale"), 2.5);
  EXPECT_EQ(points[0].parameters.integer("target"), 5);
  EXPECT_EQ(points[1].parameters.integer("target"), 11);
}

TEST_F(SweepTest, MistakesAreNamedEvenWhereNoSweepIsAskedFor) {
  expect_has(rejected("{k5: {targt: 5}}"), "did you mean 'target'?");
  expect_has(rejected("{k5: {targt: 5}}"), "alpha_claim.yaml:");
  expect_has(rejected("{k5: {target: five}}"), "target");
  expect_has(rejected("{k5: {sweep: 5}}"), "sweep");
  expect_has(rejected("{k5: {bos: perhaps}}"), "not true or false");
  expect_has(rejected("{k5: {seed: -1}}"), "seed");
  expect_has(rejected("{k5: 5}"), "k5");
  expect_has(rejected("{natural: {target: 5}}"), "has the name of a condition");
  expect_has(message_of([&] { sweep("sweep: {}\n"); }), "lacks the key 'points'");
  expect_has(message_of([&] { sweep("sweep: {pionts: {}, points: {}}\n"); }), "did you mean 'points'?");
  expect_has(message_of([&] { sweep("sweep: {each: {targt: 5}, points: {k5: {target: 5}}}\n"); }),
             "did you mean 'target'?");
}

TEST_F(SweepTest, TextsAreMorePointsOfAClaimThatIsJudgedOnText) {
  const std::vector<std::string> texts = {"sweep_texts=[code, chat]"};
  const auto points = sweep(kSweep, "3", texts);
  ASSERT_EQ(points.size(), 6u);
  EXPECT_EQ(points[4].suffix, "code");
  EXPECT_EQ(points[4].text, "code");
  EXPECT_EQ(points[4].changes, "text: code");
  EXPECT_EQ(points[4].parameters.integer("natural.sequences"), 3);
  EXPECT_EQ(points[5].text, "chat");
  EXPECT_TRUE(sweep(kSweep, "0", texts).empty());
  EXPECT_TRUE(load({"sweep_sequences=3", texts[0]}).claims.at(0).sweep.empty());  // Beta has no sweep
  EXPECT_EQ(alpha({"sweep_sequences=3", texts[0]}).definition_sha256, alpha({"sweep_sequences=3"}).definition_sha256);
  const std::string random = R"({id: gamma_claim, title: G, kind: mechanism, statement: s,
    paper: {figures: [], expected: e}, parameters: {judged_on: random, random: {sequences: 9}, target: 1},
    sweep: {points: {k2: {target: 2}}}})";
  folder_.write("claims/gamma_claim.yaml", random);
  EXPECT_EQ(load({"sweep_sequences=3", texts[0]}, "gamma_claim").claims.at(0).sweep.size(), 1u);
  expect_has(message({"sweep_texts=[../prose]"}), "names the text '../prose'");
}

TEST_F(SweepTest, ConfigYamlNamesThePoints) {
  sweep();
  const YAML::Node yaml = YAML::Load(settings_yaml(load({"sweep_sequences=3"})));
  EXPECT_EQ(yaml["sweep_sequences"].as<int>(), 3);
  EXPECT_EQ(yaml["sweep_texts"].size(), 0u);
  EXPECT_EQ(yaml["claims"]["alpha_claim"]["sweep"]["t64"].as<std::string>(), "natural.length: 64, eps: 0.5");
  EXPECT_FALSE(yaml["claims"]["beta_claim"]["sweep"].IsDefined());
}

}  // namespace
}  // namespace replicate
