#include <gtest/gtest.h>

#include "harness/record/settings/validate.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

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

}  // namespace
}  // namespace replicate
