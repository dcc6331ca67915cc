#include "harness/record/settings/predictions.h"

#include <gtest/gtest.h>

#include "harness/record/settings/validate.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

const std::string kSha256(64, 'a');
const std::string kPredictions = R"(models:
  tiny:
    date: 2026-12-31
    sha256: )" + kSha256 + R"(
    profile: small
    smollm2_commit: 0123456789ab
    claims:
      alpha_claim: {version: 3, paper: [0.9, 0.05, 0.05], smollm2: [0.8, 0.1, 0.1], rivals: [0.4, 0.4, 0.2]}
)";

class Predictions : public SettingsTest {
 protected:
  std::vector<std::string> predicted(const std::string& from = "", const std::string& to = "") const {
    folder_.write("predictions.yaml", from.empty() ? kPredictions : replaced(kPredictions, from, to));
    return load({}, "alpha_claim").claims.at(0).predicted_models;
  }
};

TEST_F(Predictions, AreOfAClaimInItsVersionAndOfAProfile) {
  EXPECT_TRUE(load({}, "alpha_claim").claims.at(0).predicted_models.empty()) << "nothing was predicted";
  EXPECT_EQ(predicted(), std::vector<std::string>{kSha256});
  EXPECT_TRUE(predicted("version: 3", "version: 2").empty());
  EXPECT_TRUE(predicted("profile: small", "profile: cpu").empty());
  EXPECT_TRUE(load({}, "beta_claim").claims.at(0).predicted_models.empty());
}

TEST_F(Predictions, MistakesAreFound) {
  folder_.write("predictions.yaml", kPredictions);
  EXPECT_TRUE(validate_configs(folder_.path()).empty());
  for (const auto& [from, to, message] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"alpha_claim", "alpha_clam", "did you mean 'alpha_claim'?"},
           {"[0.9, 0.05, 0.05]", "[0.9, 0.05]", "sum to 1"},
           {"[0.9, 0.05, 0.05]", "[0.9, 0.05, 0.06]", "sum to 1"},
           {"[0.9, 0.05, 0.05]", "[1.1, -0.1, 0]", "is below 0"},
           {"smollm2: [0.8, 0.1, 0.1], ", "", "smollm2"},
           {kSha256, "abc", "is not a sha256"},
           {"profile: small", "profile: smal", "did you mean 'small'?"},
           {"date:", "day:", "day"}}) {
    folder_.write("predictions.yaml", replaced(kPredictions, from, to));
    const auto findings = validate_configs(folder_.path());
    ASSERT_EQ(findings.size(), 1U) << from << " -> " << to;
    expect_has(findings[0], message);
  }
}

}  // namespace
}  // namespace replicate
