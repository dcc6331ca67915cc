#include "harness/record/error_rates.h"

#include <gtest/gtest.h>

#include "harness/record/settings/validate.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

class ErrorRatesTest : public SettingsTest {
 protected:
  std::string rates() const {
    return "claims:\n  alpha_claim: {definition: " + alpha().definition_sha256 +
           ", null_runs: 300, false_passes: 1, planted_runs: 100, missed: 2}\n";
  }
};

TEST_F(ErrorRatesTest, KnowsHowOftenAClaimErrs) {
  EXPECT_FALSE(alpha().error_rates);
  folder_.write("calibration.yaml", rates());
  EXPECT_EQ(alpha().error_rates->false_passes, 1);
  EXPECT_EQ(alpha().error_rates->missed, 2);
  EXPECT_FALSE(load().claims.at(0).error_rates);
}

TEST_F(ErrorRatesTest, ThoseOfAnotherDefinitionAreLeftOut) {
  folder_.write("calibration.yaml", replaced(rates(), alpha().definition_sha256, std::string(64, 'a')));
  EXPECT_FALSE(alpha().error_rates);
}

TEST_F(ErrorRatesTest, KnowsOfNearMissesAndOfControls) {
  folder_.write("calibration.yaml", replaced(rates(), "missed: 2}",
                                             "missed: 2, uninformative: 12, near_miss_runs: 90, near_miss_passes: 2, "
                                             "controls: {other: {runs: 80, fired: 79}}}"));
  EXPECT_EQ(alpha().error_rates->uninformative, 12);
  EXPECT_EQ(alpha().error_rates->near_miss_runs, 90);
  EXPECT_EQ(alpha().error_rates->near_miss_passes, 2);
  EXPECT_EQ(alpha().error_rates->controls.at(0).metric, "other");
  EXPECT_EQ(alpha().error_rates->controls.at(0).runs, 80);
  EXPECT_EQ(alpha().error_rates->controls.at(0).fired, 79);
}

TEST_F(ErrorRatesTest, MistakesAreFound) {
  const auto sound = rates();
  folder_.write("calibration.yaml", replaced(sound, "false_passes: 1", "false_passes: 301"));
  ASSERT_EQ(validate_configs(folder_.path()).size(), 1u);
  folder_.write("calibration.yaml", replaced(sound, "alpha_claim", "alpha_clam"));
  ASSERT_EQ(validate_configs(folder_.path()).size(), 1u);
  expect_has(validate_configs(folder_.path())[0], "did you mean 'alpha_claim'?");
}

}  // namespace
}  // namespace replicate
