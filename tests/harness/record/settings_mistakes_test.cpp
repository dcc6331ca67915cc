#include <gtest/gtest.h>

#include <filesystem>

#include "base/yaml.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

TEST_F(SettingsTest, UnknownNamesAreSuggested) {
  SettingsRequest profile = request(), model = request();
  profile.profile = "smal";
  model.model = "tniy";
  expect_has(message_of([&] { resolve(load_settings(profile)); }), "unknown profile 'smal'");
  expect_has(message_of([&] { resolve(load_settings(profile)); }), "did you mean 'small'?");
  expect_has(message_of([&] { resolve(load_settings(model)); }), "did you mean 'tiny'?");
  profile.profile = "../profiles/small";
  expect_has(message_of([&] { resolve(load_settings(profile)); }), "unknown profile");
}

TEST_F(SettingsTest, UnknownKeysAreSuggested) {
  expect_has(message({"sed=1"}), "did you mean 'seed'?");
  expect_has(message({"claims.alpha_claim.natural.sequence=1"}),
             "did you mean 'claims.alpha_claim.natural.sequences'?");
  expect_has(message({"claims.alfa_claim.target=1"}), "did you mean 'claims.alpha_claim.target'?");
  expect_has(message({"claims.beta_claim.target=1"}), "unknown key");  // Alpha's key, not Beta's
  for (const char* key : {"", "claims", "claims.", "claims.alpha_claim", "survey.", "survey",
                          "claims.alpha_claim.natural", "claims.alpha_claim.requires.effect"}) {
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
  expect_has(claim("op: \">\"", "op: \"==\""), "'requires[0].op' is '=='");
  expect_has(claim("op: \">\"", "op: \"==\""), "alpha_claim.yaml:18");
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
  for (const char* former : {"criteria: []", "minimum_n: 4", "minimum_scale: {tokens: 9}", "rivals: []"}) {
    expect_has(claim("panels:\n", std::string(former) + "\npanels:\n"), "unknown key");
  }
  expect_has(claim("require", "requier"), "did you mean 'requires'?");
  expect_has(claim("family: pretrained\n", ""), "'version' is only for claims with a family");
  expect_has(claim("version: 3\nfamily: pretrained\nunits: 16\n", ""), "'requires' is only for claims with a family");

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
  expect_has(model("sha256: 01", "sha256: xx"), "not a sha256");
  expect_has(model("parameters: {", "parameter: {"), "did you mean 'parameters'?");
  expect_has(model("parameters: {eps: 0.25}", "criteria: []"), "unknown key");
  expect_has(model("parameters: {eps: 0.25}", "parameters: [eps]"), "alpha_claim");
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
      {"id: [unclosed", "not valid YAML"},
      {"id: a\n\tb: c", "not valid YAML"},
      {"- a list", "not a mapping"},
      {"", "not a mapping"},
      {"just text", "not a mapping"},
      {std::string("\0\1\2\xff", 4), ""},
      {std::string(100000, '['), "YAML"},
      {std::string(300000, '#'), "too large"},
      {bomb, "expands to too much"},
      {"a: &a [*a]", "nested too deeply"},
      {"? [complex, key]\n: value", "not a plain word"},
      {"id: *unknown", "not valid YAML"},
  };
  for (const auto& [text, part] : cases) {
    folder_.write("claims/alpha_claim.yaml", text);
    const std::string message = message_of([&] { load(); });
    EXPECT_FALSE(message.empty()) << text.substr(0, 40);
    expect_has(message, "alpha_claim.yaml");
    expect_has(message, part);
  }
}

TEST_F(SettingsTest, AConfigurationIsAnOrdinaryFile) {
  fs::create_symlink("/dev/zero", folder_ / "zero.yaml");
  expect_has(message_of([&] { Yaml::read(folder_ / "zero.yaml"); }), "a pipe or a device");
}

TEST_F(SettingsTest, ATrainingClaimListsArmsThatCanBeTrained) {
  const std::string trained =
      "id: trained_claim\ntitle: Trained\nkind: training\narms: [baseline, gated]\n"
      "statement: a statement\npaper: {figures: [16], expected: an expectation}\n";
  folder_.write("training.yaml", "seeds: {baseline: 2, gated: 1, sigmoid: 0}\n");
  folder_.write("claims/trained_claim.yaml", trained);
  EXPECT_EQ(load({}, "trained_claim").claims.at(0).arms, (std::vector<std::string>{"baseline", "gated"}));
  const auto mistake = [&](const std::string& from, const std::string& to) {
    return message_with("claims/trained_claim.yaml", trained, from, to);
  };
  expect_has(mistake("gated]", "gatd]"), "'arms' names an unknown arm 'gatd'");
  expect_has(mistake("gated]", "gatd]"), "did you mean 'gated'?");
  expect_has(mistake("arms: [baseline, gated]\n", ""), "lacks the key 'arms'");
  expect_has(mistake("kind: training", "kind: mechanism"), "'arms' is only for claims of kind training");
}

}  // namespace
}  // namespace replicate
