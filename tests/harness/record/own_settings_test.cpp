#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/yaml.h"
#include "harness/record/settings/parameter_table.h"
#include "harness/record/settings/settings.h"
#include "harness/record/settings/validate.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

const fs::path kOwnConfigs = fs::path(REPLICATE_SOURCE_DIR) / "configs";

/// Such a line looks like a decision and goes stale: when the claim's own value changes, the profile keeps the old one.
TEST(Configs, NoProfileRepeatsAClaimsOwnValue) {
  for (const auto& file : fs::directory_iterator(kOwnConfigs / "profiles")) {
    const auto profile = Yaml::read(file.path());
    for (const auto& [id, changed] : profile.at("claims").entries()) {
      const ParameterTable own(Yaml::read(kOwnConfigs / "claims" / (id + ".yaml")).at("parameters"));
      const ParameterTable written(changed);
      for (const auto& parameter : written.parameters()) {
        EXPECT_NE(parameter.values, own.find(parameter.key)->values) << parameter.where << ": " << parameter.key;
      }
    }
  }
}

TEST(OwnSettings, AreValid) { EXPECT_EQ(validate_configs(kOwnConfigs), std::vector<std::string>()); }

TEST(OwnSettings, EveryProfileLoads) {
  for (const char* profile : {"smoke", "cpu", "nightly", ""}) {
    const Settings settings = resolve(load_settings({kOwnConfigs, "/assets", profile, "", "", {}, std::nullopt}));
    EXPECT_GE(settings.claims.size(), 16u) << profile;
    EXPECT_EQ(settings.claims[0].id, "variance_discrepancy");  // figure 1
  }
}

/// The files hold the prefix of each claim's inputs alike, so that their passes are shared.
TEST(OwnSettings, ClaimsThatOnlyLookShareTheirInputs) {
  for (const char* profile : {"smoke", "cpu", "nightly"}) {
    const Settings settings = resolve(
        load_settings({kOwnConfigs, "/assets", profile, "", "dimension_disparity|rank_collapse", {}, std::nullopt}));
    ASSERT_EQ(settings.claims.size(), 2u);
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
  for (const auto& claim : resolve(load_settings({kOwnConfigs, "", "cpu", "", "", {}, std::nullopt})).claims) {
    ASSERT_TRUE(claim.judging.requirements) << claim.id;
    for (const auto& criterion : unjudged_criteria(claim.judging)) EXPECT_FALSE(criterion.source.empty()) << claim.id;
    for (const auto& control : unjudged_controls(claim.judging)) EXPECT_FALSE(control.source.empty()) << claim.id;
  }
}

TEST(OwnSettings, TheNullModelIsTheSameFileReinitialised) {
  const auto model = [](const std::string& name) {
    return resolve(load_settings({kOwnConfigs, "/assets", "cpu", name, "", {}, std::nullopt})).model;
  };
  EXPECT_TRUE(model("smollm2-null").reinitialised);
  EXPECT_FALSE(model("smollm2").reinitialised);
  EXPECT_EQ(model("smollm2-null").file, model("smollm2").file);
  EXPECT_EQ(model("smollm2-null").sha256, model("smollm2").sha256);
}

}  // namespace
}  // namespace replicate
