#include "harness/record/power_table.h"

#include <gtest/gtest.h>

namespace replicate {
namespace {

ClaimSettings claim(const std::string& id, std::vector<std::pair<std::string, double>> effect_sizes) {
  ClaimSettings settings;
  settings.id = id;
  settings.known.recorded = RecordedVerdict{.run = "cpu-tiny",
                                            .profile = "cpu",
                                            .thresholds_sha256 = thresholds_sha256(settings.judging),
                                            .verdict = Verdict::pass};
  settings.known.effect_sizes = std::move(effect_sizes);
  return settings;
}

TEST(PowerTable, SaysHowManyUnitsEachCriterionNeeds) {
  const auto text =
      power_table({claim("strong_claim", {{"effect", 2.5}}), claim("weak_claim", {{"effect", 0.3}, {"other", -1}})},
                  [](const ClaimSettings& settings) { return settings.id == "weak_claim" ? 16 : 4; });
  const auto has_row = [&](const std::string& claim, const std::string& rest) {
    const auto at = text.find(claim);
    return at != std::string::npos && text.substr(at, text.find('\n', at) - at).ends_with(rest);
  };
  EXPECT_TRUE(has_row("strong_claim", "      2.5      4    0.9         4")) << text;
  EXPECT_TRUE(has_row("weak_claim", "      0.3     16    0.2        90")) << text;  // as TTestPower has it
  EXPECT_NE(text.find("       -1     16"), std::string::npos) << text;
}

TEST(PowerTable, LeavesOutWhatWasRecordedUnderAnotherDefinition) {
  auto changed = claim("changed", {{"effect", 2.5}});
  changed.judging.criteria = {{"effect", Operator::above, 1, "a test"}};
  EXPECT_EQ(power_table({changed}, [](const ClaimSettings&) { return 4; }), "");
}

TEST(PowerTable, IsEmptyWhereNothingIsRecorded) {
  ClaimSettings unknown;
  unknown.id = "unknown";
  EXPECT_EQ(power_table({unknown}, [](const ClaimSettings&) { return 4; }), "");
}

}  // namespace
}  // namespace replicate
