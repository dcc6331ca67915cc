#include "harness/record/settings/validate.h"

#include <gtest/gtest.h>

#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

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

TEST_F(SettingsTest, ValidationReportsEveryBrokenClaim) {
  folder_.write("claims/alpha_claim.yaml", "id: [");
  folder_.write("claims/beta_claim.yaml", "id: {");
  EXPECT_EQ(validate_configs(folder_.path()).size(), 2u);
  EXPECT_EQ(validate_configs(folder_ / "absent").size(), 1u);
}

}  // namespace
}  // namespace replicate
