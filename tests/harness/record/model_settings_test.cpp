#include <gtest/gtest.h>

#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

TEST_F(SettingsTest, ALicenceMayAskForConsent) {
  folder_.write("models/tiny.yaml", replaced(kModel, "licence: MIT", "licence: Tiny Terms\nconsent: tiny"));
  expect_has(message({}), "Tiny Terms");
  expect_has(message({}), "--accept-licence tiny");
  auto accepting = request();
  accepting.accepted_licences = {"other", "tiny"};
  EXPECT_EQ(resolve(load_settings(accepting)).model.consent, "tiny");
}

TEST_F(SettingsTest, ModelMayBeAPath) {
  folder_.write("files/My-Model.Q4_0.gguf", "x");
  SettingsRequest path = request();
  path.model = (folder_ / "files/My-Model.Q4_0.gguf").string();
  const Settings settings = resolve(load_settings(path));
  EXPECT_EQ(settings.model.name, "My-Model.Q4_0");
  EXPECT_EQ(settings.model.file, path.model);
  EXPECT_FALSE(settings.model.sha256.has_value());
  EXPECT_EQ(settings.claims[1].parameters.real("eps"), 0.3);  // no model has its say
  folder_.write("files/Split-00001-of-00002.gguf", "x");
  path.model = (folder_ / "files/Split-00001-of-00002.gguf").string();
  EXPECT_EQ(resolve(load_settings(path)).model.name, "Split");
  path.model = "no/such/file.gguf";
  expect_has(message_of([&] { resolve(load_settings(path)); }), "no such model file");
  path.model = "no/such-model";
  expect_has(message_of([&] { resolve(load_settings(path)); }), "scripts/setup --model no/such-model");
  path.model = "missing.gguf";
  expect_has(message_of([&] { resolve(load_settings(path)); }), "no such model file");
}

TEST_F(SettingsTest, AFolderIsNamedWholeAndACachedModelByItsName) {
  SettingsRequest path = request();
  const auto named = [&](const std::string& folder) {
    path.model = (folder_ / folder).string();
    return resolve(load_settings(path)).model;
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
  EXPECT_EQ(named(cached).hub, "meta/Llama-3.2-1B@abc123");
  EXPECT_EQ(named(cached + "/snapshots/abc123/").hub, "meta/Llama-3.2-1B@abc123");
  EXPECT_EQ(named("files/Llama-3.1-8B").hub, std::nullopt);
  folder_.write("hub/models--gpt2/snapshots/0f/config.json", "{}");
  EXPECT_EQ(named("hub/models--gpt2/snapshots/0f").hub, "gpt2@0f");  // of no organisation
  folder_.write(cached + "/refs/main", "../../other");
  expect_has(message_of([&] { named(cached); }), "no snapshot that refs/main names");
  folder_.write(cached + "/refs/main", "abc123");
  folder_.write(cached + "/snapshots/abc123/model.safetensors", "weights");
  folder_.write(cached + "/snapshots/abc123/tokenizer.json", "{}");
  path.assets = folder_.path();
  path.model = "meta/Llama-3.2-1B";
  EXPECT_EQ(resolve(load_settings(path)).model.file, folder_ / cached / "snapshots/abc123");
}

TEST_F(SettingsTest, BosIsWhatTheOptionSaysElseTheModelsFileElseUpToTheModel) {
  SettingsRequest any = request();
  folder_.write("files/mine.gguf", "x");
  EXPECT_EQ(resolve(load_settings(any)).model.bos, std::optional(true));
  any.bos = "off";
  EXPECT_EQ(resolve(load_settings(any)).model.bos, std::optional(false));
  any.model = (folder_ / "files/mine.gguf").string();
  EXPECT_EQ(resolve(load_settings(any)).model.bos, std::optional(false));
  any.bos = "";
  EXPECT_EQ(resolve(load_settings(any)).model.bos, std::nullopt);
  any.bos = "maybe";
  expect_has(message_of([&] { resolve(load_settings(any)); }), "unknown use of BOS 'maybe'");
}

constexpr const char* kFamous = R"(name: famous
identity: {architecture: llama, layers: 2, width: 8, heads: 2, kv_heads: 2, hidden: 16, vocabulary: 40, context: 64}
bos: on
calibration: others measured it
claims:
  alpha_claim:
    parameters: {target: 3}
)";

const ModelIdentity kFamousIdentity = {"llama", 2, 8, 2, 2, 16, 40, 64};

TEST_F(SettingsTest, APathIsJudgedAsTheModelWhoseShapeItHas) {
  folder_.write("models/famous.yaml", kFamous);
  folder_.write("files/mine.gguf", "x");
  SettingsRequest path = request();
  path.model = (folder_ / "files/mine.gguf").string();
  const Settings settings = resolve(load_settings(path), kFamousIdentity);
  EXPECT_EQ(settings.model.name, "mine");
  EXPECT_EQ(settings.model.judged_as, "famous");
  EXPECT_EQ(settings.model.bos, std::optional(true));
  const auto& alpha = settings.claims[1];
  EXPECT_EQ(alpha.parameters.integer("target"), 3);
  EXPECT_EQ(alpha.calibration, "others measured it");
  EXPECT_NE(alpha.notes.back().find("has the shape of famous"), std::string::npos);
}

TEST_F(SettingsTest, APathOfAnotherShapeIsAnotherModel) {
  folder_.write("models/famous.yaml", kFamous);
  folder_.write("files/mine.gguf", "x");
  SettingsRequest path = request();
  path.model = (folder_ / "files/mine.gguf").string();
  ModelIdentity longer = kFamousIdentity;
  longer.context = 128;
  const Settings settings = resolve(load_settings(path), longer);
  EXPECT_TRUE(settings.model.judged_as.empty());
  EXPECT_EQ(settings.claims[1].parameters.integer("target"), 10);
  EXPECT_NE(settings.claims[1].notes.back().find("This is another model"), std::string::npos);
}

TEST_F(SettingsTest, TheCommandLineWinsOverTheFileThatAPathIsJudgedBy) {
  folder_.write("models/famous.yaml", kFamous);
  folder_.write("files/mine.gguf", "x");
  SettingsRequest path = request();
  path.model = (folder_ / "files/mine.gguf").string();
  path.bos = "off";
  path.overrides = {"claims.alpha_claim.target=4"};
  const LoadedSettings loaded = load_settings(path);
  EXPECT_EQ(loaded.unidentified, path.model);
  const Settings settings = resolve(loaded, kFamousIdentity);
  EXPECT_EQ(settings.model.bos, std::optional(false));
  EXPECT_EQ(settings.claims[1].parameters.integer("target"), 4);
}

TEST_F(SettingsTest, AModelThatIsNamedNeedsNoIdentity) { EXPECT_FALSE(load_settings(request()).unidentified); }

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
  folder_.write("training.yaml", "seeds: {baseline: 1}\n");
  folder_.write("files/mine.gguf", "x");
  const std::string path = folder_ / "files/mine.gguf";
  ModelIdentity longer = kFamousIdentity, wider = kFamousIdentity;
  longer.context = 128;  // the same shape
  wider.width = 16;
  struct Case {
    std::string model;
    std::optional<ModelIdentity> identity;
    std::string tiny, profile;
    bool about_the_model, trained;
  };
  for (const auto& [model, identity, tiny, profile, about_the_model, trained] :
       std::vector<Case>{{"tiny", {}, kModel, kProfile, false, false},
                         {"tiny", {}, kModel + shape, kProfile, true, false},
                         {"tiny", {}, kModel, std::string(kProfile) + "calibration: known\n", false, true},
                         {path, kFamousIdentity, kModel + shape, kProfile, true, false},
                         {path, longer, kModel + shape, kProfile, true, false},
                         {path, wider, kModel + shape, kProfile, false, false},
                         {path, {}, kModel + shape, kProfile, false, false},
                         {path, kFamousIdentity, kModel, kProfile, false, false}}) {
    folder_.write("models/tiny.yaml", tiny);
    folder_.write("profiles/small.yaml", profile);
    auto wanted = request();
    wanted.model = model;
    for (const auto& claim : resolve(load_settings(wanted), identity).claims) {
      const bool expected = claim.id == "trained_claim" ? trained : about_the_model;
      EXPECT_EQ(claim.calibrated, expected) << claim.id << " on " << model << tiny << profile;
      EXPECT_EQ(claim.calibration.find("no definition is registered yet") == std::string::npos, expected)
          << claim.calibration;
    }
  }
}

TEST_F(SettingsTest, AnotherTrainingThanTheProfilesIsNotCalibrated) {
  folder_.write("claims/trained_claim.yaml", kTrained);
  folder_.write("training.yaml", "steps: 10\nseeds: {baseline: 1}\n");
  folder_.write("profiles/small.yaml", std::string(kProfile) + "calibration: known\n");
  EXPECT_TRUE(load({}, "trained_claim").claims.at(0).calibrated);
  EXPECT_FALSE(load({"training.steps=20"}, "trained_claim").claims.at(0).calibrated);
}

TEST_F(SettingsTest, AModelWithoutWeightsAsksForThem) {
  folder_.write("models/famous.yaml", kFamous);
  SettingsRequest named = request();
  named.model = "famous";
  expect_has(message_of([&] { resolve(load_settings(named)); }), "the weights of famous do not come with this project");
  folder_.write("models/famous.yaml", replaced(kFamous, "layers: 2, ", ""));
  expect_has(message_of([&] { resolve(load_settings(named)); }), "lacks the key 'layers'");
}

}  // namespace
}  // namespace replicate
