#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/yaml.h"
#include "harness/record/settings/parameter_table.h"
#include "harness/record/settings/settings.h"
#include "harness/record/settings/validate.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(REPLICATE_SOURCE_DIR) / "configs";

/// Such a line looks like a decision and goes stale: when the claim's own value changes, the profile keeps the old one.
TEST(Configs, NoProfileRepeatsAClaimsOwnValue) {
  for (const auto& file : fs::directory_iterator(kConfigs / "profiles")) {
    const auto profile = Yaml::read(file.path());
    for (const auto& [id, changed] : profile.at("claims").entries()) {
      const ParameterTable own(Yaml::read(kConfigs / "claims" / (id + ".yaml")).at("parameters"));
      const ParameterTable written(changed);
      for (const auto& parameter : written.parameters()) {
        EXPECT_NE(parameter.values, own.find(parameter.key)->values) << parameter.where << ": " << parameter.key;
      }
    }
  }
}

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
