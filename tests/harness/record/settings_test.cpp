#include "harness/record/settings/settings.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <regex>
#include <sstream>

#include "base/did_you_mean.h"
#include "base/yaml.h"
#include "harness/record/settings/parameter_table.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAlpha = R"(id: alpha_claim
title: Alpha
kind: mechanism
statement: a statement
paper: {figures: [9, 10a], expected: an expectation}
parameters:
  natural: {sequences: 8, length: 128}
  target: 10
  sweep: [5, 20]
  eps: 0.3
  scale: 1.5
  plain: on
  word: fast
criteria:
  - {metric: effect, op: ">", threshold: 0.5, source: paper figure 9}
controls:
  - {metric: effect_null, of: effect, fraction: 0.2, source: set before measuring}
panels:
  - title: A panel
    x: layer
    y: attention
    log_y: true
    curves: [{series: a, label: A}, {series: b, inputs: random, label: B}]
    thresholds: [{label: t, value: 0.2}]
notes: [a note]
)";

constexpr const char* kBeta = R"(id: beta_claim
title: Beta
kind: intervention
statement: a statement
paper: {figures: [2], expected: an expectation}
minimum_n: 4
parameters: {natural: {sequences: 2, length: 64}}
criteria: []
)";

constexpr const char* kProfile = R"(name: small
model: tiny
seed: 7
bootstrap_resamples: 100
survey: {sequences: 3}
claims:
  alpha_claim: {natural: {sequences: 4}, sweep: [6]}
)";

constexpr const char* kModel = R"(name: tiny
file: models/tiny.gguf
sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
licence: MIT
bos: on
known_verdicts:
  - {claim: beta_claim, verdict: fail, why: too small, since: 2026-11-22}
claims:
  alpha_claim:
    criteria: [{metric: effect, threshold: 0.25, source: pilot on tiny}]
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    folder_.write("claims/alpha_claim.yaml", kAlpha);
    folder_.write("claims/beta_claim.yaml", kBeta);
    folder_.write("profiles/small.yaml", kProfile);
    folder_.write("models/tiny.yaml", kModel);
  }

  Settings load(std::vector<std::string> overrides = {}, const std::string& only = "") const {
    SettingsRequest request = this->request();
    request.overrides = std::move(overrides);
    request.only = only;
    return load_settings(request);
  }

  SettingsRequest request() const { return {folder_.path(), "/assets", "small", "", "", {}, std::nullopt}; }

  /// Alpha's settings; claims come in the order of their figures, so Beta stands first.
  ClaimSettings alpha(std::vector<std::string> overrides = {}) const { return load(std::move(overrides)).claims.at(1); }

  std::string message(std::vector<std::string> overrides) const {
    return message_of([&] { load(overrides); });
  }

  /// The message when `file` has `from` replaced by `to`.
  std::string message_with(const std::string& file, const std::string& original, const std::string& from,
                           const std::string& to) const {
    std::string text = original;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    folder_.write(file, text.replace(at, from.size(), to));
    const std::string message = message_of([&] { load(); });
    folder_.write(file, original);
    return message;
  }

  TemporaryFolder folder_;
};

void expect_has(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' not in: " << message;
}

TEST_F(SettingsTest, MergesClaimProfileModelAndCommandLineInThisOrder) {
  const ClaimSettings merged = alpha();
  EXPECT_EQ(merged.parameters.integer("natural.sequences"), 4);  // the profile's
  EXPECT_EQ(merged.parameters.integer("natural.length"), 128);   // the claim's
  EXPECT_EQ(merged.parameters.integers("sweep"), (std::vector<int64_t>{6}));
  EXPECT_EQ(merged.judging.criteria[0].threshold, 0.25);  // the model's
  EXPECT_EQ(merged.judging.criteria[0].source, "pilot on tiny");

  const ClaimSettings overridden = alpha({"claims.alpha_claim.natural.sequences=5", "claims.alpha_claim.sweep=[1, 2]",
                                          "claims.alpha_claim.criteria.effect.threshold=0.75",
                                          "claims.alpha_claim.controls.effect_null.fraction=0.1"});
  EXPECT_EQ(overridden.parameters.integer("natural.sequences"), 5);
  EXPECT_EQ(overridden.parameters.integers("sweep"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(overridden.judging.criteria[0].threshold, 0.75);
  EXPECT_EQ(overridden.judging.criteria[0].source, "--set on the command line");
  EXPECT_EQ(overridden.judging.controls[0].fraction, 0.1);
  EXPECT_NE(overridden.calibration, merged.calibration);
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
  EXPECT_EQ(claim.judging.kind, "mechanism");
  EXPECT_EQ(claim.judging.minimum_n, 2);
  EXPECT_EQ(claim.judging.criteria[0].op, ">");
  EXPECT_EQ(claim.judging.controls[0].of, "effect");
  EXPECT_TRUE(claim.panels[0].log_y);
  EXPECT_FALSE(claim.panels[0].log_x);
  EXPECT_EQ(claim.panels[0].curves[0].inputs, "");
  EXPECT_EQ(claim.panels[0].curves[1].inputs, "random");
  EXPECT_EQ(claim.panels[0].thresholds[0].second, 0.2);
  EXPECT_EQ(claim.notes, (std::vector<std::string>{"a note"}));
  EXPECT_EQ(load().claims[0].judging.minimum_n, 4);
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
  EXPECT_FALSE(settings.claims[1].known);
  ASSERT_TRUE(settings.claims[0].known);
  EXPECT_EQ(settings.claims[0].known->verdict, Verdict::fail);
}

TEST_F(SettingsTest, ALicenceMayAskForConsent) {
  folder_.write("models/tiny.yaml", replaced(kModel, "licence: MIT", "licence: Tiny Terms\nconsent: tiny"));
  expect_has(message({}), "Tiny Terms");
  expect_has(message({}), "--accept-licence tiny");
  auto accepting = request();
  accepting.accepted_licences = {"other", "tiny"};
  EXPECT_EQ(load_settings(accepting).model.consent, "tiny");
}

TEST_F(SettingsTest, AProfileKnowsWhatItTrains) {
  folder_.write("training.yaml", "steps: 100\n");
  folder_.write("claims/gamma_claim.yaml",
                replaced(replaced(kBeta, "beta_claim", "gamma_claim"), "intervention", "training"));
  const std::string known =
      "known_verdicts: [{claim: gamma_claim, verdict: fail, why: too small, since: 2026-11-22}]\n";
  folder_.write("profiles/small.yaml", kProfile + known);
  const auto gamma = [&](const std::vector<std::string>& overrides) {
    return load(overrides, "gamma_claim").claims[0].known;
  };
  ASSERT_TRUE(gamma({}));
  EXPECT_EQ(gamma({})->why, "too small");
  EXPECT_TRUE(gamma({"seed=3"}));
  EXPECT_FALSE(gamma({"training.steps=200"})) << "other models, of which nothing is known";

  folder_.write("profiles/small.yaml", kProfile + replaced(known, "gamma", "beta"));
  expect_has(message({}), "'known_verdicts[0].claim' names a claim about one model");
  expect_has(message({}), "small.yaml:8");
  folder_.write("profiles/small.yaml", kProfile);
  folder_.write("models/tiny.yaml", replaced(kModel, "beta", "gamma"));
  expect_has(message({}), "names a claim that trains its own models");
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
  EXPECT_EQ(load_settings(with_seed).seed, 4u);
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
  folder_.write("claims/claim.yaml",
                "{id: claim, title: C, kind: mechanism, statement: s, paper: {figures: [], expected: e}}");
  EXPECT_EQ(ids("claim"), "claim ");  // an id is that claim alone
  EXPECT_EQ(ids(""), "beta_claim alpha_claim claim ");
  expect_has(message_of([&] { load({}, "gamma"); }), "no claim matches 'gamma'");
  expect_has(message_of([&] { load({}, "alhpa_claim"); }), "did you mean 'alpha_claim'?");
  expect_has(message_of([&] { load({}, "(["); }), "not a regular expression");
  expect_has(message_of([&] { load({}, std::string(100000, '(')); }), "not a regular expression");
}

TEST_F(SettingsTest, UnknownNamesAreSuggested) {
  SettingsRequest profile = request(), model = request();
  profile.profile = "smal";
  model.model = "tniy";
  expect_has(message_of([&] { load_settings(profile); }), "unknown profile 'smal'");
  expect_has(message_of([&] { load_settings(profile); }), "did you mean 'small'?");
  expect_has(message_of([&] { load_settings(model); }), "did you mean 'tiny'?");
  profile.profile = "../profiles/small";
  expect_has(message_of([&] { load_settings(profile); }), "unknown profile");
}

TEST_F(SettingsTest, UnknownKeysAreSuggested) {
  expect_has(message({"sed=1"}), "did you mean 'seed'?");
  expect_has(message({"claims.alpha_claim.natural.sequence=1"}),
             "did you mean 'claims.alpha_claim.natural.sequences'?");
  expect_has(message({"claims.alfa_claim.target=1"}), "did you mean 'claims.alpha_claim.target'?");
  expect_has(message({"claims.alpha_claim.criteria.efect.threshold=1"}),
             "did you mean 'claims.alpha_claim.criteria.effect.threshold'?");
  expect_has(message({"claims.beta_claim.target=1"}), "unknown key");  // Alpha's key, not Beta's
  for (const char* key : {"", "claims", "claims.", "claims.alpha_claim", "survey.", "survey",
                          "claims.alpha_claim.natural", "claims.alpha_claim.criteria.effect"}) {
    expect_has(message({std::string(key) + "=1"}), "unknown key");
  }
}

TEST_F(SettingsTest, ValuesAreCheckedAgainstTheSchema) {
  const auto set = [&](const std::string& key, const std::string& value) {
    return message({"claims.alpha_claim." + key + "=" + value});
  };
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"target", "ten"},
                                                        {"target", "1.5"},
                                                        {"target", "[1]"},
                                                        {"target", "{a: 1}"},
                                                        {"target", "~"},
                                                        {"target", "'10'"},
                                                        {"eps", "big"},
                                                        {"eps", "nan"},
                                                        {"eps", ".inf"},
                                                        {"plain", "maybe"},
                                                        {"plain", "1"},
                                                        {"sweep", "5"},
                                                        {"sweep", "[5, x]"},
                                                        {"sweep", "[[5]]"},
                                                        {"target", "99999999999999999999"}}) {
    expect_has(set(key, value), "has the wrong type");
  }
  expect_has(set("target", "ten"), "'claims.alpha_claim.target'");
  expect_has(set("natural.sequences", "0"), "out of range");
  expect_has(set("natural.sequences", "-3"), "out of range");
  expect_has(set("natural.length", "15"), "out of range");
  expect_has(set("target", "0"), "out of range");
  expect_has(set("sweep", "[5, 0]"), "out of range");
  expect_has(set("eps", "1.5"), "out of range");
  expect_has(set("criteria.effect.threshold", "high"), "not a number");
  expect_has(set("controls.effect_null.fraction", "0"), "not above 0");
  for (const char* text :
       {"seed=-1", "seed=x", "bootstrap_resamples=0", "batch_tokens=-1", "batch_tokens=1.5", "survey.length=1"}) {
    EXPECT_FALSE(message({text}).empty()) << text;
  }
  for (const char* text : {"seed", "seed=", "claims.alpha_claim.target=", "seed=[", "seed={a: b"}) {
    EXPECT_FALSE(message({text}).empty()) << text;
  }
}

TEST_F(SettingsTest, GoodValuesOfEveryTypeAreTaken) {
  const auto parameters =
      alpha({"claims.alpha_claim.scale=2", "claims.alpha_claim.plain=false", "claims.alpha_claim.word=true",
             "claims.alpha_claim.sweep=[]", "claims.alpha_claim.eps=1e-3"})
          .parameters;
  EXPECT_EQ(parameters.real("scale"), 2);
  EXPECT_FALSE(parameters.flag("plain"));
  EXPECT_EQ(parameters.text("word"), "true");
  EXPECT_TRUE(parameters.integers("sweep").empty());
  EXPECT_EQ(parameters.real("eps"), 1e-3);
}

TEST_F(SettingsTest, MistakesInFilesNameFileAndLine) {
  const auto claim = [&](const std::string& from, const std::string& to) {
    return message_with("claims/alpha_claim.yaml", kAlpha, from, to);
  };
  expect_has(claim("title: Alpha", "titel: Alpha"), "did you mean 'title'?");
  expect_has(claim("title: Alpha", "titel: Alpha"), "alpha_claim.yaml:2");
  expect_has(claim("title: Alpha", "title: ''"), "empty");
  expect_has(claim("title: Alpha", "title: [a]"), "not a text");
  expect_has(claim("title: Alpha\n", ""), "lacks the key 'title'");
  expect_has(claim("title: Alpha", "title: Alpha\ntitle: Beta"), "given twice");
  expect_has(claim("id: alpha_claim", "id: other"), "not the file's name");
  expect_has(claim("kind: mechanism", "kind: mechanisms"), "did you mean 'mechanism'?");
  expect_has(claim("op: \">\"", "op: \"==\""), "'criteria[0].op' is '=='");
  expect_has(claim("op: \">\"", "op: \"==\""), "alpha_claim.yaml:15");
  expect_has(claim("source: paper figure 9", "source: ''"), "empty");
  expect_has(claim(", source: paper figure 9", ""), "lacks the key 'source'");
  expect_has(claim("threshold: 0.5", "threshold: .nan"), "not a number");
  expect_has(claim("fraction: 0.2", "fraction: -1"), "not above 0");
  expect_has(claim("series: a", "series: ''"), "empty");
  expect_has(claim("curves: [{series: a, label: A}, {series: b, inputs: random, label: B}]", "curves: []"),
             "has no curves");
  expect_has(claim("sequences: 8", "sequences: 0"), "out of range");
  expect_has(claim("sequences: 8", "sequences:"), "no value");
  expect_has(claim("target: 10", "a.b: 10"), "dot in its key");
  expect_has(claim("parameters:", "parameters: 5\nunused:"), "unknown key");
  expect_has(claim("criteria:\n", "criteria:\n  - {metric: effect, op: \">\", threshold: 1, source: s}\n"),
             "two criteria effect >");

  const auto profile = [&](const std::string& from, const std::string& to) {
    return message_with("profiles/small.yaml", kProfile, from, to);
  };
  expect_has(profile("alpha_claim:", "alhpa_claim:"), "did you mean 'alpha_claim'?");
  expect_has(profile("natural: {sequences: 4}", "natural: {sequence: 4}"), "did you mean 'natural.sequences'?");
  expect_has(profile("natural: {sequences: 4}", "natural: 4"), "unknown key");
  expect_has(profile("natural: {sequences: 4}", "natural: {sequences: {}}"), "");
  expect_has(profile("model: tiny", "model: tyni"), "did you mean 'tiny'?");
  expect_has(profile("bootstrap_resamples: 100", "bootstrap_resamples: many"), "small.yaml:4");

  const auto model = [&](const std::string& from, const std::string& to) {
    return message_with("models/tiny.yaml", kModel, from, to);
  };
  expect_has(model("sha256: 01", "sha256: xx"), "no sha256");
  expect_has(model("verdict: fail", "verdict: failed"), "did you mean 'fail'?");
  expect_has(model("claim: beta_claim", "claim: beta"), "did you mean 'beta_claim'?");
  expect_has(model("metric: effect,", "metric: efect,"), "did you mean 'effect'?");
  expect_has(model("criteria: [", "panels: ["), "unknown key");
  expect_has(model("criteria: [", "parameters: ["), "alpha_claim");
  expect_has(model("bos: on", "bos: sometimes"), "not true or false");
}

TEST_F(SettingsTest, BrokenAndHostileYamlIsAnErrorAndNoCrash) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int level = 1; level < 10; ++level) {
    const std::string last = "*a" + std::to_string(level - 1);
    bomb += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " [";
    for (int i = 0; i < 10; ++i) bomb += (i ? ", " : "") + last;
    bomb += "]\n";
  }
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"id: [unclosed", "no valid YAML"},
      {"id: a\n\tb: c", "no valid YAML"},
      {"- a list", "not a mapping"},
      {"", "not a mapping"},
      {"just text", "not a mapping"},
      {std::string("\0\1\2\xff", 4), ""},
      {std::string(100000, '['), "YAML"},
      {std::string(300000, '#'), "too large"},
      {bomb, "expands to too much"},
      {"a: &a [*a]", "nested too deeply"},
      {"? [complex, key]\n: value", "no plain word"},
      {"id: *unknown", "no valid YAML"},
  };
  for (const auto& [text, part] : cases) {
    folder_.write("claims/alpha_claim.yaml", text);
    const std::string message = message_of([&] { load(); });
    EXPECT_FALSE(message.empty()) << text.substr(0, 40);
    expect_has(message, "alpha_claim.yaml");
    expect_has(message, part);
  }
}

TEST_F(SettingsTest, ModelMayBeAPath) {
  folder_.write("files/My-Model.Q4_0.gguf", "x");
  SettingsRequest path = request();
  path.model = (folder_ / "files/My-Model.Q4_0.gguf").string();
  const Settings settings = load_settings(path);
  EXPECT_EQ(settings.model.name, "My-Model.Q4_0");
  EXPECT_EQ(settings.model.file, path.model);
  EXPECT_FALSE(settings.model.sha256.has_value());
  EXPECT_EQ(settings.claims[1].judging.criteria[0].threshold, 0.5);  // no model has its say
  folder_.write("files/Split-00001-of-00002.gguf", "x");
  path.model = (folder_ / "files/Split-00001-of-00002.gguf").string();
  EXPECT_EQ(load_settings(path).model.name, "Split");
  path.model = "no/such/file.gguf";
  expect_has(message_of([&] { load_settings(path); }), "no such model file");
  path.model = "missing.gguf";
  expect_has(message_of([&] { load_settings(path); }), "no such model file");
}

TEST_F(SettingsTest, AFolderIsNamedWholeAndACachedModelByItsName) {
  SettingsRequest path = request();
  const auto named = [&](const std::string& folder) {
    path.model = (folder_ / folder).string();
    return load_settings(path).model;
  };
  folder_.write("files/Llama-3.1-8B/config.json", "{}");
  EXPECT_EQ(named("files/Llama-3.1-8B").name, "Llama-3.1-8B");
  EXPECT_EQ(named("files/Llama-3.1-8B/").name, "Llama-3.1-8B");
  const std::string cached = "hub/models--meta--Llama-3.2-1B";
  folder_.write(cached + "/snapshots/abc123/config.json", "{}");
  expect_has(message_of([&] { named(cached); }), "no snapshot that refs/main names");
  folder_.write(cached + "/refs/main", "abc123");
  EXPECT_EQ(named(cached).name, "Llama-3.2-1B");
  EXPECT_EQ(named(cached).file, folder_ / cached / "snapshots/abc123");
  EXPECT_EQ(named(cached + "/snapshots/abc123").name, "Llama-3.2-1B");
  folder_.write(cached + "/refs/main", "../../other");
  expect_has(message_of([&] { named(cached); }), "no snapshot that refs/main names");
}

TEST_F(SettingsTest, BosIsWhatTheOptionSaysElseTheModelsFileElseUpToTheModel) {
  SettingsRequest any = request();
  folder_.write("files/mine.gguf", "x");
  EXPECT_EQ(load_settings(any).model.bos, std::optional(true));
  any.bos = "off";
  EXPECT_EQ(load_settings(any).model.bos, std::optional(false));
  any.model = (folder_ / "files/mine.gguf").string();
  EXPECT_EQ(load_settings(any).model.bos, std::optional(false));
  any.bos = "";
  EXPECT_EQ(load_settings(any).model.bos, std::nullopt);
  any.bos = "maybe";
  expect_has(message_of([&] { load_settings(any); }), "unknown use of BOS 'maybe'");
}

constexpr const char* kFamous = R"(name: famous
identity: {architecture: llama, layers: 2, width: 8, heads: 2, kv_heads: 2, hidden: 16, vocabulary: 40, context: 64}
bos: on
calibration: others measured it
claims:
  alpha_claim:
    parameters: {target: 3}
    criteria:
      - {metric: effect, threshold: 0.75, source: the paper}
      - {metric: other, op: "<=", threshold: 9, source: the paper}
)";

constexpr const char* kFamousConfig = R"({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8,
  "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 40, "max_position_embeddings": 64})";

TEST_F(SettingsTest, APathIsJudgedAsTheModelWhoseShapeItHas) {
  folder_.write("models/famous.yaml", kFamous);
  folder_.write("files/mine/config.json", kFamousConfig);
  SettingsRequest path = request();
  path.model = (folder_ / "files/mine").string();
  const Settings settings = load_settings(path);
  EXPECT_EQ(settings.model.name, "mine");
  EXPECT_EQ(settings.model.judged_as, "famous");
  EXPECT_EQ(settings.model.bos, std::optional(true));
  const auto& alpha = settings.claims[1];
  EXPECT_EQ(alpha.parameters.integer("target"), 3);
  ASSERT_EQ(alpha.judging.criteria.size(), 2u);
  EXPECT_EQ(alpha.judging.criteria[0].threshold, 0.75);
  EXPECT_EQ(alpha.judging.criteria[1].op, "<=");
  EXPECT_EQ(alpha.calibration, "others measured it");
  EXPECT_NE(alpha.notes.back().find("has the shape of famous"), std::string::npos);
}

TEST_F(SettingsTest, APathOfAnotherShapeIsAnotherModel) {
  folder_.write("models/famous.yaml", kFamous);
  folder_.write("files/mine/config.json", replaced(kFamousConfig, "64", "128"));
  SettingsRequest path = request();
  path.model = (folder_ / "files/mine").string();
  const Settings settings = load_settings(path);
  EXPECT_TRUE(settings.model.judged_as.empty());
  EXPECT_EQ(settings.claims[1].judging.criteria[0].threshold, 0.5);
  EXPECT_NE(settings.claims[1].notes.back().find("This is another model"), std::string::npos);
}

constexpr const char* kTrained = R"(id: trained_claim
title: Trained
kind: training
arms: [baseline]
statement: a statement
paper: {figures: [16], expected: an expectation}
)";

/// Which claims are calibrated: by the model's name, its file's shape, or the profile that trains.
TEST_F(SettingsTest, AKnownModelAndWhateverHasItsShapeIsCalibrated) {
  const std::string shape = "shape: {layers: 2, width: 8, heads: 2, hidden: 16, vocabulary: 40}\n";
  folder_.write("claims/trained_claim.yaml", kTrained);
  folder_.write("files/mine/config.json", kFamousConfig);
  folder_.write("files/longer/config.json",
                replaced(kFamousConfig, "64", "128"));  // a context of its own, the same shape
  folder_.write("files/wider/config.json", replaced(kFamousConfig, "\"hidden_size\": 8", "\"hidden_size\": 16"));
  struct Case {
    std::string model, tiny, profile;
    bool about_the_model, trained;
  };
  for (const auto& [model, tiny, profile, about_the_model, trained] :
       std::vector<Case>{{"tiny", kModel, kProfile, false, false},
                         {"tiny", kModel + shape, kProfile, true, false},
                         {"tiny", kModel, std::string(kProfile) + "calibration: known\n", false, true},
                         {folder_ / "files/mine", kModel + shape, kProfile, true, false},
                         {folder_ / "files/longer", kModel + shape, kProfile, true, false},
                         {folder_ / "files/wider", kModel + shape, kProfile, false, false},
                         {folder_ / "files/mine", kModel, kProfile, false, false}}) {
    folder_.write("models/tiny.yaml", tiny);
    folder_.write("profiles/small.yaml", profile);
    auto wanted = request();
    wanted.model = model;
    for (const auto& claim : load_settings(wanted).claims) {
      const bool expected = claim.id == "trained_claim" ? trained : about_the_model;
      EXPECT_EQ(claim.calibrated, expected) << claim.id << " on " << model << tiny << profile;
      EXPECT_EQ(claim.calibration.find("no definition is registered yet") == std::string::npos, expected)
          << claim.calibration;
    }
  }
}

TEST_F(SettingsTest, AnotherTrainingThanTheProfilesIsNotCalibrated) {
  folder_.write("claims/trained_claim.yaml", kTrained);
  folder_.write("training.yaml", "steps: 10\n");
  folder_.write("profiles/small.yaml", std::string(kProfile) + "calibration: known\n");
  EXPECT_TRUE(load({}, "trained_claim").claims.at(0).calibrated);
  EXPECT_FALSE(load({"training.steps=20"}, "trained_claim").claims.at(0).calibrated);
}

TEST_F(SettingsTest, AModelWithoutWeightsAsksForThem) {
  folder_.write("models/famous.yaml", kFamous);
  SettingsRequest named = request();
  named.model = "famous";
  expect_has(message_of([&] { load_settings(named); }), "the weights of famous do not come with this project");
  folder_.write("models/famous.yaml", replaced(kFamous, "layers: 2, ", ""));
  expect_has(message_of([&] { load_settings(named); }), "lacks the key 'layers'");
}

TEST_F(SettingsTest, ConfigYamlHoldsWhatWasMergedAndReadsBack) {
  const Settings settings = load({"claims.alpha_claim.word=\"a: \\\"b\\\"\""});
  const YAML::Node yaml = YAML::Load(settings.yaml());
  EXPECT_EQ(yaml["seed"].as<int>(), 7);
  EXPECT_EQ(yaml["survey"]["sequences"].as<int>(), 3);
  const YAML::Node claim = yaml["claims"]["alpha_claim"];
  EXPECT_EQ(claim["parameters"]["natural"]["sequences"].as<int>(), 4);
  EXPECT_EQ(claim["parameters"]["word"].as<std::string>(), "a: \"b\"");
  EXPECT_EQ(claim["criteria"][0]["threshold"].as<double>(), 0.25);
  EXPECT_EQ(claim["controls"][0]["fraction"].as<double>(), 0.2);
}

// ---- sweeps -----------------------------------------------------------------------------------------

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

TEST_F(SweepTest, ConfigYamlNamesThePoints) {
  sweep();
  const YAML::Node yaml = YAML::Load(load({"sweep_sequences=3"}).yaml());
  EXPECT_EQ(yaml["sweep_sequences"].as<int>(), 3);
  EXPECT_EQ(yaml["claims"]["alpha_claim"]["sweep"]["t64"].as<std::string>(), "natural.length: 64, eps: 0.5");
  EXPECT_FALSE(yaml["claims"]["beta_claim"]["sweep"].IsDefined());
}

TEST_F(SettingsTest, ParametersAreTypedAndRememberWhatWasRead) {
  const Parameters parameters = alpha().parameters;
  EXPECT_EQ(parameters.integer("target"), 10);
  EXPECT_EQ(parameters.real("target"), 10);  // a whole number is a number
  EXPECT_TRUE(parameters.flag("plain"));
  EXPECT_TRUE(parameters.has("natural.sequences"));
  EXPECT_FALSE(parameters.has("natural"));
  expect_has(message_of([&] { parameters.integer("targt"); }), "did you mean 'target'?");
  expect_has(message_of([&] { parameters.integer("eps"); }), "not a whole number");
  expect_has(message_of([&] { parameters.integer("sweep"); }), "not a single value");
  expect_has(message_of([&] { parameters.integers("target"); }), "not a list");
  expect_has(message_of([&] { parameters.flag("word"); }), "not true or false");
  expect_has(message_of([&] { parameters.real("word"); }), "not a number");
  const Parameters copy = parameters;
  copy.text("word");
  EXPECT_EQ(parameters.unread(), (std::vector<std::string>{"natural.sequences", "natural.length", "scale"}));
}

TEST(Parameters, MadeFromYamlDirectly) {
  const Parameters parameters(YAML::Load("{a: {b: 1}, c: [1, 2], d: [], e: [1, 0.5]}"), "test");
  EXPECT_EQ(parameters.integer("a.b"), 1);
  EXPECT_EQ(parameters.integers("c"), (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(parameters.integers("d").empty());
  EXPECT_THROW(parameters.integers("e"), Error);
  EXPECT_EQ(parameters.yaml(), "a:\n  b: 1\nc: [1, 2]\nd: []\ne: [1, 0.5]\n");
  EXPECT_FALSE(Parameters().has("a"));
  EXPECT_THROW(Parameters(YAML::Load("[1]"), "test"), Error);
}

TEST_F(SettingsTest, ValidationListsOneLineAFinding) {
  EXPECT_EQ(validate_configs(folder_.path()), std::vector<std::string>());
  folder_.write("profiles/broken.yaml", "name: broken\nmodel: absent\n");
  folder_.write("profiles/typo.yaml", "name: typo\nmodle: tiny\n");
  folder_.write("models/other.yaml", "name: wrong\nfile: f\n");
  const auto findings = validate_configs(folder_.path());
  ASSERT_EQ(findings.size(), 3u);
  expect_has(findings[0], "absent");
  expect_has(findings[1], "did you mean 'model'?");
  expect_has(findings[2], "not the file's name");
  for (const auto& finding : findings) EXPECT_EQ(finding.find('\n'), std::string::npos);
}

/// Such a line looks like a decision and goes stale: when the claim's own value changes, the profile keeps the old one.
TEST(Configs, NoProfileRepeatsAClaimsOwnValue) {
  const fs::path configs = fs::path(REPLICATE_SOURCE_DIR) / "configs";
  for (const auto& file : fs::directory_iterator(configs / "profiles")) {
    const auto profile = Yaml::read(file.path());
    for (const auto& [id, changed] : profile.at("claims").entries()) {
      const ParameterTable own(Yaml::read(configs / "claims" / (id + ".yaml")).at("parameters"));
      const ParameterTable written(changed);
      for (const auto& parameter : written.parameters()) {
        EXPECT_NE(parameter.values, own.find(parameter.key)->values) << parameter.where << ": " << parameter.key;
      }
    }
  }
}

constexpr const char* kRegistered = R"(models:
  tiny:
    alpha_claim: {run: cpu-tiny, profile: cpu, verdict: pass, effect_sizes: {effect: 2.5}, thresholds_sha256: abc}
profiles: {}
)";
constexpr const char* kRates =
    "claims:\n  alpha_claim: {null_runs: 300, false_passes: 1, planted_runs: 100, missed: 2}\n";

TEST_F(SettingsTest, KnowsHowAClaimWasRecordedAndHowOftenItErrs) {
  EXPECT_FALSE(alpha().registered || alpha().error_rates);
  folder_.write("registered.yaml", kRegistered);
  folder_.write("calibration.yaml", kRates);
  EXPECT_EQ(alpha().registered->reference.run, "cpu-tiny");
  EXPECT_EQ(alpha().registered->reference.thresholds_sha256, "abc");
  EXPECT_EQ(alpha().registered->reference.verdict, Verdict::pass);
  EXPECT_EQ(alpha().registered->effect_sizes, (std::vector<std::pair<std::string, double>>{{"effect", 2.5}}));
  EXPECT_EQ(alpha().error_rates->false_passes, 1);
  EXPECT_EQ(alpha().error_rates->missed, 2);
  EXPECT_EQ(alpha().registered->reference.profile, "cpu");
  EXPECT_FALSE(load().claims.at(0).registered);
}

TEST_F(SettingsTest, MistakesInWhatWasRecordedAreFound) {
  folder_.write("registered.yaml", replaced(kRegistered, "alpha_claim", "alpha_clam"));
  folder_.write("calibration.yaml", replaced(kRates, "false_passes: 1", "false_passes: 301"));
  const auto findings = validate_configs(folder_.path());
  ASSERT_EQ(findings.size(), 1u);  // one of the two, whichever is read first
  folder_.write("calibration.yaml", kRates);
  ASSERT_EQ(validate_configs(folder_.path()).size(), 1u);
  expect_has(validate_configs(folder_.path())[0], "did you mean 'alpha_claim'?");
}

/// Any name may stand in the folder of a run; it selects no claim but the one that has it.
TEST_F(SettingsTest, ARecordedRunSelectsTheClaimsOfItsFolders) {
  folder_.write("run/config.yaml", load().yaml());
  for (const char* name : {"beta_claim", "alpha(", "a|.*", "[x", "al.ha_claim", "\\ \n\xfc$&"}) {
    folder_.write(std::string("run/") + name + "/record.json", "{}");
  }
  const auto request = recorded_request(folder_ / "run", {});
  EXPECT_EQ(request.profile, "small");
  const std::regex only(request.only);
  EXPECT_TRUE(std::regex_search("beta_claim", only));
  EXPECT_FALSE(std::regex_search("alpha_claim", only)) << request.only;
}

TEST_F(SettingsTest, AConfigurationIsAnOrdinaryFile) {
  fs::create_symlink("/dev/zero", folder_ / "zero.yaml");
  expect_has(message_of([&] { Yaml::read(folder_ / "zero.yaml"); }), "a pipe or a device");
}

TEST_F(SettingsTest, ValidationReportsEveryBrokenClaim) {
  folder_.write("claims/alpha_claim.yaml", "id: [");
  folder_.write("claims/beta_claim.yaml", "id: {");
  EXPECT_EQ(validate_configs(folder_.path()).size(), 2u);
  EXPECT_EQ(validate_configs(folder_ / "absent").size(), 1u);
}

TEST(DidYouMean, SuggestsTheClosestOrListsAll) {
  const std::vector<std::string> names = {"sink_onset", "rank_collapse", "rotation"};
  EXPECT_EQ(did_you_mean("sink_onst", names), "did you mean 'sink_onset'?");
  EXPECT_EQ(did_you_mean("rank_colapse", names), "did you mean 'rank_collapse'?");
  EXPECT_EQ(did_you_mean("onset", names), "did you mean 'sink_onset'?");
  EXPECT_EQ(did_you_mean("xyzzy", names), "choose one of sink_onset, rank_collapse, rotation");
  EXPECT_EQ(did_you_mean("", names), "choose one of sink_onset, rank_collapse, rotation");
  EXPECT_EQ(did_you_mean("x", {}), "there is none");
  EXPECT_EQ(did_you_mean(std::string(1 << 20, 'x'), names).rfind("choose one of", 0), 0u);
  EXPECT_LT(did_you_mean("q", std::vector<std::string>(1000, "candidate")).size(), 300u);
}

TEST(YamlQuoted, ReadsBack) {
  for (const std::string& text :
       {std::string("plain"), std::string("a \"b\" \\ c\n\t: #"), std::string("ünï"), std::string()}) {
    EXPECT_EQ(YAML::Load(yaml_quoted(text)).as<std::string>(), text);
  }
}

// ---- the project's own settings ---------------------------------------------------------------------

const fs::path kConfigs = fs::path(REPLICATE_SOURCE_DIR) / "configs";

/// Their config.json as Meta published it, but for what is not read.
constexpr const char* kLlama2 =
    R"({"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
  "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-05})";
constexpr const char* kLlama3 =
    R"({"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
  "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 8192, "rope_theta": 500000.0})";

/// Thresholds of a claim for a model of this shape, as "metric op threshold".
std::vector<std::string> thresholds(const char* config, const std::string& claim) {
  const TemporaryFolder folder;
  folder.write("paper/config.json", config);
  const auto settings = load_settings({kConfigs, "", "", (folder / "paper").string(), claim, {}, std::nullopt});
  std::vector<std::string> all;
  for (const auto& c : settings.claims.at(0).judging.criteria) {
    std::ostringstream text;
    text << c.metric << " " << c.op << " " << c.threshold;
    all.push_back(text.str());
  }
  return all;
}

TEST(PapersModels, AreJudgedByThePapersNumbers) {
  const auto expect = [](const char* config, const char* claim, const char* threshold) {
    const auto all = thresholds(config, claim);
    EXPECT_TRUE(std::find(all.begin(), all.end(), threshold) != all.end()) << claim << " " << threshold;
  };
  expect(kLlama2, "sink_onset", "onset_layer >= 3");
  expect(kLlama2, "sink_onset", "onset_layer <= 3");
  expect(kLlama2, "dimension_disparity", "dominance_ratio > 200");
  expect(kLlama2, "super_neuron_alignment", "named_neuron_writes_named_dimension >= 1");
  expect(kLlama2, "output_projection_alignment", "kendall_tau_mean_layer2 >= 0.27");
  expect(kLlama3, "sink_onset", "onset_layer >= 3");
  expect(kLlama3, "super_neuron_alignment", "named_neuron_written_share >= 0.5");
}

TEST(OwnSettings, AreValid) { EXPECT_EQ(validate_configs(kConfigs), std::vector<std::string>()); }

TEST(OwnSettings, EveryProfileLoads) {
  for (const char* profile : {"smoke", "cpu", "nightly", ""}) {
    const Settings settings = load_settings({kConfigs, "/assets", profile, "", "", {}, std::nullopt});
    EXPECT_GE(settings.claims.size(), 16u) << profile;
    EXPECT_EQ(settings.claims[0].id, "variance_discrepancy");  // figure 1
  }
}

/// The files hold the prefix of each claim's inputs alike, so that their passes are shared.
TEST(OwnSettings, ClaimsThatOnlyLookShareTheirInputs) {
  for (const char* profile : {"smoke", "cpu", "nightly"}) {
    const Settings settings = load_settings(
        {kConfigs, "/assets", profile, "", "sink_onset|dimension_disparity|rank_collapse", {}, std::nullopt});
    ASSERT_EQ(settings.claims.size(), 3u);
    const Parameters& first = settings.claims[0].parameters;
    for (const auto& claim : settings.claims) {
      for (const char* key : {"natural.sequences", "natural.length", "random.sequences", "random.length",
                              "null_model.sequences", "null_model.length"}) {
        EXPECT_EQ(claim.parameters.integer(key), first.integer(key)) << profile << " " << claim.id << " " << key;
      }
    }
  }
}

TEST(OwnSettings, EveryThresholdHasASource) {
  for (const auto& claim : load_settings({kConfigs, "", "cpu", "", "", {}, std::nullopt}).claims) {
    EXPECT_EQ(claim.judging.criteria.empty(), claim.id == "emergence") << claim.id;  // which describes
    for (const auto& criterion : claim.judging.criteria) EXPECT_FALSE(criterion.source.empty());
    for (const auto& control : claim.judging.controls) EXPECT_FALSE(control.source.empty());
  }
}

TEST(OwnSettings, TheNullModelIsTheSameFileReinitialised) {
  const auto model = [](const std::string& name) {
    return load_settings({kConfigs, "/assets", "cpu", name, "", {}, std::nullopt}).model;
  };
  EXPECT_TRUE(model("smollm2-null").reinitialised);
  EXPECT_FALSE(model("smollm2").reinitialised);
  EXPECT_EQ(model("smollm2-null").file, model("smollm2").file);
  EXPECT_EQ(model("smollm2-null").sha256, model("smollm2").sha256);
}

}  // namespace
}  // namespace replicate
