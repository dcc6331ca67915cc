#include "harness/record/settings/settings.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <regex>

#include "harness/record/settings/recorded_run.h"
#include "harness/record/settings/settings_yaml.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

TEST_F(SettingsTest, MergesClaimProfileModelAndCommandLineInThisOrder) {
  const ClaimSettings merged = alpha();
  EXPECT_EQ(merged.parameters.integer("natural.sequences"), 4);  // the profile's
  EXPECT_EQ(merged.parameters.integer("natural.length"), 128);   // the claim's
  EXPECT_EQ(merged.parameters.integers("sweep"), (std::vector<int64_t>{6}));
  EXPECT_EQ(merged.parameters.real("eps"), 0.25);  // the model's

  const ClaimSettings overridden = alpha(
      {"claims.alpha_claim.natural.sequences=5", "claims.alpha_claim.sweep=[1, 2]", "claims.alpha_claim.eps=0.75"});
  EXPECT_EQ(overridden.parameters.integer("natural.sequences"), 5);
  EXPECT_EQ(overridden.parameters.integers("sweep"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(overridden.parameters.real("eps"), 0.75);
}

TEST_F(SettingsTest, EachClaimKeepsItsOwnSweepWhenClaimsAreSorted) {
  const std::string alpha = kAlpha, beta = kBeta;  // beta_claim has the earlier figure
  folder_.write("claims/alpha_claim.yaml", alpha + "sweep: {points: {k5: {target: 5}, k6: {target: 6}}}\n");
  folder_.write("claims/beta_claim.yaml", beta + "sweep: {points: {t32: {natural.length: 32}}}\n");
  const Settings settings = load({"sweep_sequences=2"});
  ASSERT_EQ(settings.claims[0].id, "beta_claim");
  ASSERT_EQ(settings.claims[0].sweep.size(), 1U);
  EXPECT_EQ(settings.claims[0].sweep[0].changes, "natural.length: 32");
  ASSERT_EQ(settings.claims[1].sweep.size(), 2U);
  EXPECT_EQ(settings.claims[1].sweep[1].changes, "target: 6");
}

TEST_F(SettingsTest, ReadsAllOfAClaim) {
  const ClaimSettings claim = alpha();
  EXPECT_EQ(claim.title, "Alpha");
  EXPECT_EQ(claim.paper.figures, (std::vector<std::string>{"9", "10a"}));
  EXPECT_EQ(claim.paper.statement, "a statement");
  EXPECT_EQ(claim.judging.kind, ClaimKind::mechanism);
  ASSERT_TRUE(claim.judging.requirements);
  EXPECT_EQ(claim.judging.requirements->all[0].criterion.op, Operator::above);
  EXPECT_EQ(claim.judging.requirements->controls[0].of, "effect");
  EXPECT_EQ(version_of(claim), 3);
  EXPECT_TRUE(claim.panels[0].log_y);
  EXPECT_FALSE(claim.panels[0].log_x);
  EXPECT_EQ(claim.panels[0].curves[0].inputs, "");
  EXPECT_EQ(claim.panels[0].curves[1].inputs, "random");
  EXPECT_EQ(claim.panels[0].thresholds[0].second, 0.2);
  EXPECT_EQ(claim.notes, (std::vector<std::string>{"a note"}));
  EXPECT_FALSE(load().claims[0].judging.requirements);
  EXPECT_EQ(version_of(load().claims[0]), 1);
}

TEST_F(SettingsTest, ReadsProfileAndModel) {
  const Settings settings = load();
  EXPECT_EQ(settings.profile, "small");
  EXPECT_EQ(settings.seed, 7u);
  EXPECT_EQ(settings.bootstrap_resamples, 100);
  EXPECT_EQ(settings.survey.integer("sequences"), 3);
  EXPECT_EQ(settings.survey.integer("length"), 128);
  EXPECT_EQ(settings.model.name, "tiny");
  EXPECT_EQ(settings.model.file, "/assets/models/tiny.gguf");
  EXPECT_EQ(settings.model.bos, std::optional(true));
  EXPECT_FALSE(settings.model.reinitialised);
}

TEST_F(SettingsTest, SetsWhatBelongsToTheRun) {
  const Settings settings =
      load({"seed=18446744073709551615", "bootstrap_resamples=50", "batch_tokens=512", "survey.sequences=2"});
  EXPECT_EQ(settings.seed, UINT64_MAX);
  EXPECT_EQ(settings.bootstrap_resamples, 50);
  EXPECT_EQ(settings.batch_tokens, 512);
  EXPECT_EQ(settings.survey.integer("sequences"), 2);

  SettingsRequest with_seed = request();
  with_seed.overrides = {"seed=3"};
  with_seed.seed = 4;
  EXPECT_EQ(resolve(load_settings(with_seed)).seed, 4u);
}

/// What is left out of a run, and what the program says of it.
TEST_F(SettingsTest, WithoutOnlyTheProfileAndTheModelChoose) {
  folder_.write("claims/training_claim.yaml", replaced(replaced(kBeta, "beta_claim", "training_claim"),
                                                       "kind: intervention", "kind: training\narms: [baseline]"));
  folder_.write("training.yaml", "seeds: {baseline: 1}\n");
  const auto ids_and_note = [&](const SettingsRequest& request) {
    const auto settings = resolve(load_settings(request));
    std::string all;
    for (const auto& claim : settings.claims) all += claim.id + " ";
    return all + "/" + settings.not_run;
  };
  auto run = request();
  run.by_default = true;
  auto own_model = run, listed = request(), asked = run;
  own_model.model = listed.model = asked.model = "tiny";
  asked.only = "training";
  EXPECT_EQ(ids_and_note(run), "beta_claim training_claim alpha_claim /");
  EXPECT_EQ(ids_and_note(own_model),
            "beta_claim alpha_claim /Not run: 1 claim about training, which train models of their own; "
            "--only training runs them.");
  EXPECT_EQ(ids_and_note(listed), "beta_claim training_claim alpha_claim /");
  EXPECT_EQ(ids_and_note(asked), "training_claim /");
  folder_.write("profiles/small.yaml", std::string(kProfile) + "only: mechanism\n");
  EXPECT_EQ(ids_and_note(run),
            "alpha_claim /Not run: 2 claims that the profile small leaves out; --profile cpu runs all.");
  asked.only = "beta_claim";
  EXPECT_EQ(ids_and_note(asked), "beta_claim /");
}

TEST_F(SettingsTest, OnlyTakesAnIdOrAPattern) {
  const auto ids = [&](const std::string& only) {
    std::string all;
    for (const auto& claim : load({}, only).claims) all += claim.id + " ";
    return all;
  };
  EXPECT_EQ(ids(""), "beta_claim alpha_claim ");
  EXPECT_EQ(ids("claim"), "beta_claim alpha_claim ");
  EXPECT_EQ(ids("^alpha"), "alpha_claim ");
  EXPECT_EQ(ids("alpha|beta"), "beta_claim alpha_claim ");
  EXPECT_EQ(ids("mechanism"), "alpha_claim ");
  EXPECT_EQ(ids("mechanism|intervention"), "beta_claim alpha_claim ");
  expect_has(message_of([&] { load({}, "mechan"); }), "no claim matches 'mechan'");  // a kind is a whole word
  folder_.write("claims/claim.yaml",
                "{id: claim, title: C, kind: mechanism, statement: s, paper: {figures: [], expected: e}}");
  EXPECT_EQ(ids("claim"), "claim ");  // an id is that claim alone
  EXPECT_EQ(ids(""), "beta_claim alpha_claim claim ");
  EXPECT_EQ(ids("claim,alpha_claim"), "alpha_claim claim ");
  EXPECT_EQ(ids("^alpha,intervention"), "beta_claim alpha_claim ");
  EXPECT_EQ(ids("(alpha|beta)_claim,claim"), "beta_claim alpha_claim claim ");
  EXPECT_EQ(ids("a{1,2}lpha"), "alpha_claim ");
  for (const std::string empty : {",", "alpha,", ",alpha", "alpha,,beta"})
    expect_has(message_of([&] { load({}, empty); }), "an empty name in '" + empty + "'");
  expect_has(message_of([&] { load({}, "alpha,gamma"); }), "no claim matches 'gamma'");
  expect_has(message_of([&] { load({}, "gamma"); }), "no claim matches 'gamma'");
  for (const std::string files : {"alph*", "*", "al?ha", "*beta*"})
    expect_has(message_of([&] { load({}, files); }), "this is a file pattern: '" + files + "'");
  expect_has(message_of([&] { load({}, "alhpa_claim"); }), "did you mean 'alpha_claim'?");
  expect_has(message_of([&] { load({}, "(["); }), "not a regular expression");
  expect_has(message_of([&] { load({}, std::string(100000, '(')); }), "not a regular expression");
}

TEST_F(SettingsTest, ConfigYamlHoldsWhatWasMergedAndReadsBack) {
  const Settings settings = load({"claims.alpha_claim.word=\"a: \\\"b\\\"\""});
  const YAML::Node yaml = YAML::Load(settings_yaml(settings));
  EXPECT_EQ(yaml["seed"].as<int>(), 7);
  EXPECT_EQ(yaml["survey"]["sequences"].as<int>(), 3);
  const YAML::Node claim = yaml["claims"]["alpha_claim"];
  EXPECT_EQ(claim["parameters"]["natural"]["sequences"].as<int>(), 4);
  EXPECT_EQ(claim["parameters"]["word"].as<std::string>(), "a: \"b\"");
  EXPECT_EQ(claim["parameters"]["eps"].as<double>(), 0.25);
}

/// Any name may stand in the folder of a run; it selects no claim but the one that has it.
TEST_F(SettingsTest, ARecordedRunSelectsTheClaimsOfItsFolders) {
  folder_.write("run/config.yaml", settings_yaml(load()));
  for (const char* name : {"beta_claim", "alpha(", "a|.*", "[x", "al.ha_claim", "\\ \n\xfc$&"}) {
    folder_.write(std::string("run/") + name + "/record.json", "{}");
  }
  const auto request = recorded_request(folder_ / "run", {});
  EXPECT_EQ(request.profile, "small");
  const std::regex only(request.only);
  EXPECT_TRUE(std::regex_search("beta_claim", only));
  EXPECT_FALSE(std::regex_search("alpha_claim", only)) << request.only;
}

TEST_F(SettingsTest, ARecordedRunLeavesOutItsFormerClaims) {
  auto recorded = replaced(settings_yaml(load()), "sequences: 4", "sequences: 5");
  recorded = replaced(recorded, "  alpha_claim:", "  former_claim:\n    parameters: {queries: 16}\n  alpha_claim:");
  folder_.write("run/config.yaml", recorded);
  for (const char* name : {"alpha_claim", "former_claim"}) {
    folder_.write(std::string("run/") + name + "/record.json", "{}");
  }
  const auto again = resolve(load_settings(recorded_request(folder_ / "run", request())));
  ASSERT_EQ(again.claims.size(), 1u);
  EXPECT_EQ(again.claims[0].parameters.integer("natural.sequences"), 5);
}

}  // namespace
}  // namespace replicate
