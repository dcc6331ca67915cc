#include "harness/record/settings/registration.h"

#include <gtest/gtest.h>

#include "harness/record/settings/claim_settings.h"
#include "harness/record/settings/definition.h"
#include "harness/record/settings/requirement_settings.h"
#include "harness/record/settings/validate.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

constexpr const char* kDelta = R"(id: delta_claim
title: Delta
kind: mechanism
statement: a statement
paper: {figures: [12], expected: an expectation}
version: 2
family: pretrained
units: 16
parameters: {natural: {sequences: 16, length: 128}, target: 10}
requires:
  - {metric: effect, op: ">", threshold: 0.5, source: the paper}
checks:
  - {metric: induced, op: ">=", threshold: 0.2, source: a convention}
controls:
  - {metric: control, of: effect, op: ">", fraction: 0.1, source: a convention}
sweep: {points: {k5: {target: 5}}}
notes: [a note]
)";

/// What stands in configs/registered.yaml of a claim that is not there as it is now, one line each.
std::string stale(const std::filesystem::path& configs) {
  std::string text;
  const auto registered = read_registered(configs);
  if (!registered) return "nothing is registered\n";
  for (const auto& claim : read_claims(configs, read_judging_rules(configs))) {
    const auto& settings = claim.settings;
    const auto entry = registered->at("claims").find(settings.id);
    if (!entry) {
      text += settings.id + " is not registered\n";
    } else if (entry->at("definition").text() != settings.definition_sha256 ||
               entry->at("version").integer() != version_of(settings)) {
      text += settings.id + " is not as it was registered\n";
    }
  }
  return text;
}

class Registration : public SettingsTest {
 protected:
  Registration() { folder_.write("claims/delta_claim.yaml", kDelta); }

  void register_all(const std::string& known_models = "tiny") const {
    std::string text = "known_models: [" + known_models + "]\nclaims:\n";
    for (const auto& claim : read_claims(folder_.path(), read_judging_rules(folder_.path()))) {
      text += "  " + claim.settings.id + ": {version: " + std::to_string(version_of(claim.settings)) +
              ", date: 2026-12-31, definition: " + claim.settings.definition_sha256 + ", golden: aa}\n";
    }
    folder_.write("registered.yaml", text);
  }

  ClaimSettings delta(std::vector<std::string> overrides = {}) const {
    return load(std::move(overrides), "delta_claim").claims.at(0);
  }

  /// What is stale after a part of a file has changed; the file is put back.
  std::string stale_with(const std::string& file, const std::string& original, const std::string& from,
                         const std::string& to) const {
    EXPECT_NE(replaced(original, from, to), original) << from;
    folder_.write(file, replaced(original, from, to));
    const auto text = stale(folder_.path());
    folder_.write(file, original);
    return text;
  }
};

TEST_F(Registration, TellsWhatDecidesAVerdictFromWhatDoesNot) {
  register_all();
  EXPECT_EQ(stale(folder_.path()), "");
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"threshold: 0.5", "threshold: 0.25"},
           {"threshold: 0.2", "threshold: 0.1"},
           {"fraction: 0.1", "fraction: 0.2"},
           {"target: 10", "target: 20"},
           {"sequences: 16", "sequences: 32"},
           {"units: 16", "units: 32"},
           {"{target: 5}", "{target: 6}"},
           {"points: {k5: {target: 5}}", "points: {k5: {target: 5}, k6: {target: 6}}"},
           {"version: 2", "version: 3"},
           {"family: pretrained", "family: beyond"},
           {"kind: mechanism", "kind: intervention"},
           {"units: 16", "stages: each and all\nunits: 16"},
           {"units: 16", "missing_units: worst\nunits: 16"},
           {"notes:", "bearing: {fail: silent}\nnotes:"}}) {
    EXPECT_EQ(stale_with("claims/delta_claim.yaml", kDelta, from, to), "delta_claim is not as it was registered\n")
        << from << " -> " << to;
  }
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{{"title: Delta", "title: Other"},
                                                                                 {"a statement", "another"},
                                                                                 {"[a note]", "[]"},
                                                                                 {"the paper", "figure 1"}}) {
    EXPECT_EQ(stale_with("claims/delta_claim.yaml", kDelta, from, to), "") << from;
  }
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"starts_at: 5", "starts_at: 6"},
                                                        {"ends_below: 3", "ends_below: 2"},
                                                        {"sink_excess: 0.2", "sink_excess: 0.3"},
                                                        {"norm_z: 3", "norm_z: 4"},
                                                        {"else_largest: 4", "else_largest: 5"}}) {
    EXPECT_NE(stale_with("judging.yaml", kJudgingRules, from, to).find("delta_claim"), std::string::npos) << from;
  }
  EXPECT_EQ(stale_with("judging.yaml", kJudgingRules, "0.003", "0.004"),
            "alpha_claim is not as it was registered\ndelta_claim is not as it was registered\n");
  folder_.write("claims/new_claim.yaml", replaced(kDelta, "delta_claim", "new_claim"));
  EXPECT_EQ(stale(folder_.path()), "new_claim is not registered\n");
}

TEST_F(Registration, StandsInTheSettingsWithWhatTheRunChanges) {
  EXPECT_FALSE(delta().registration);
  register_all();
  ASSERT_TRUE(delta().registration);
  const auto registration = *delta({"survey.sequences=16"}).registration;  // the profile has 3
  EXPECT_EQ(registration.version, 2);
  EXPECT_EQ(registration.date, "2026-12-31");
  EXPECT_EQ(registration.definition_sha256, delta().definition_sha256);
  EXPECT_TRUE(registration.as_registered);
  EXPECT_FALSE(delta().registration->as_registered) << "another survey";
  EXPECT_FALSE(delta({"survey.sequences=16", "seed=8"}).registration->as_registered) << "a seed of one's own choice";
  EXPECT_FALSE(delta({"survey.sequences=16", "weight_noise=1"}).registration->as_registered);
  EXPECT_FALSE(delta({"survey.sequences=16", "claims.delta_claim.target=11"}).registration->as_registered);
  folder_.write("profiles/small.yaml", std::string(kProfile) + "  delta_claim: {natural: {sequences: 4}}\n");
  EXPECT_FALSE(delta({"survey.sequences=16"}).registration->as_registered);
  folder_.write("profiles/small.yaml", kProfile);
  folder_.write("models/tiny.yaml", std::string(kModel) + "  delta_claim: {parameters: {target: 3}}\n");
  EXPECT_TRUE(delta({"survey.sequences=16"}).registration->as_registered) << "what a file says of its model";
  folder_.write("claims/delta_claim.yaml", replaced(kDelta, "threshold: 0.5", "threshold: 0.25"));
  EXPECT_FALSE(delta({"survey.sequences=16"}).registration->as_registered);
}

TEST_F(Registration, KnowsWhichModelsWereKnown) {
  folder_.write("models/tiny.yaml",
                std::string(kModel) + "shape: {layers: 2, width: 8, heads: 2, hidden: 16, vocabulary: 40}\n");
  EXPECT_TRUE(delta().calibrated);
  register_all();
  EXPECT_TRUE(delta().calibrated);
  folder_.write("files/mine.gguf", "x");
  const auto path_is_calibrated = [&] {
    auto path = request();
    path.model = folder_ / "files/mine.gguf";
    return resolve(load_settings(path), ModelIdentity{"llama", 2, 8, 2, 2, 16, 40, 64}).claims.at(0).calibrated;
  };
  EXPECT_TRUE(path_is_calibrated());
  register_all("");
  EXPECT_FALSE(delta().calibrated);
  EXPECT_FALSE(path_is_calibrated());
  expect_has(delta().calibration, "the definition was registered before");
}

TEST_F(Registration, MistakesAreFound) {
  register_all("tinny");
  ASSERT_EQ(validate_configs(folder_.path()).size(), 1u);
  expect_has(validate_configs(folder_.path())[0], "did you mean 'tiny'?");
  folder_.write("registered.yaml",
                "known_models: []\nclaims:\n  delta_clam: {version: 1, date: d, definition: a, golden: b}\n");
  ASSERT_EQ(validate_configs(folder_.path()).size(), 1u);
  expect_has(validate_configs(folder_.path())[0], "did you mean 'delta_claim'?");
}

TEST(RegisteredClaims, AreAsTheyWereRegistered) {
  const auto configs = std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs";
  if (!read_registered(configs)) GTEST_SKIP() << "no definition is registered";
  EXPECT_EQ(stale(configs), "")
      << "give a claim that changed a higher version, say why in docs/changes_to_claims.md, and "
         "run ./replicate validate --definitions | scripts/register.py";
}

}  // namespace
}  // namespace replicate
