#include "harness/record/evidence.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/run_folder.h"
#include "base/statistics.h"

namespace replicate {
namespace {

using Json = nlohmann::json;

constexpr double kScipyParity = 1e-9;

const Json& evidence_golden() {
  static const Json json =
      Json::parse(read_text(std::filesystem::path(REPLICATE_SOURCE_DIR) / "tests/golden/evidence.json"));
  return json;
}

Metric metric_of(const Estimate& estimate) {
  return {.name = "m",
          .value = estimate.value,
          .low = estimate.low,
          .high = estimate.high,
          .n = estimate.n,
          .inputs = {},
          .where = {}};
}

Criterion criterion_on(const std::string& op, double threshold) {
  return {"m", from_string<Operator>(op), threshold, "a test"};
}

TEST(Evidence, AgreesWithScipyOnSeeds) {
  for (const Json& test : evidence_golden()["seeds"]) {
    const auto metric = metric_of(t_interval(test["values"].get<std::vector<double>>()));
    const double threshold = test["threshold"];
    const auto above = evidence_for(criterion_on(">", threshold), metric, Sampling::student);
    const auto below = evidence_for(criterion_on("<=", threshold), metric, Sampling::student);
    EXPECT_NEAR(above->p, test["p_greater"], kScipyParity);
    EXPECT_NEAR(below->p, test["p_less"], kScipyParity);
    EXPECT_NEAR(above->effect_size, test["effect_size"], kScipyParity);
    EXPECT_NEAR(below->effect_size, -test["effect_size"].get<double>(), kScipyParity);
    EXPECT_NEAR(*equivalence_p(metric, test["limit"], Sampling::student), test["p_equivalence"], kScipyParity);
  }
}

TEST(Evidence, TakesTheSideThatFacesTheThreshold) {
  for (const Json& test : evidence_golden()["intervals"]) {
    const auto metric = metric_of({test["value"], test["low"], test["high"], 16});
    const auto found = evidence_for(criterion_on(">", test["threshold"]), metric, Sampling::bootstrap);
    EXPECT_NEAR(found->p, test["p_greater"], kScipyParity);
    EXPECT_EQ(found->p<0.025, test["low"].get<double>()> test["threshold"].get<double>());
  }
}

TEST(Evidence, NeedsAnInterval) {
  const Metric bare{.name = "m", .value = 1, .low = {}, .high = {}, .n = 1, .inputs = {}, .where = {}};
  EXPECT_FALSE(evidence_for(criterion_on(">", 0), bare, Sampling::bootstrap));
  EXPECT_FALSE(equivalence_p(bare, 1, Sampling::bootstrap));
  auto metric = metric_of({1, 0.5, 1.5, 8});
  EXPECT_FALSE(equivalence_p(metric, 0, Sampling::bootstrap));
  metric.value = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(evidence_for(criterion_on(">", 0), metric, Sampling::bootstrap));
}

TEST(Evidence, KnowsIntervalsOfNoWidth) {
  const auto metric = metric_of({1, 1, 1, 8});  // onset_after_spike is 1 in every resample
  EXPECT_EQ(evidence_for(criterion_on(">", 0), metric, Sampling::bootstrap)->p, 0);
  EXPECT_EQ(evidence_for(criterion_on(">", 2), metric, Sampling::bootstrap)->p, 1);
  EXPECT_EQ(evidence_for(criterion_on(">=", 1), metric, Sampling::bootstrap)->p, 0);
  EXPECT_EQ(evidence_for(criterion_on("<=", 1), metric, Sampling::bootstrap)->p, 0);
  EXPECT_EQ(evidence_for(criterion_on("<", 1), metric, Sampling::bootstrap)->p, 0.5);
}

TEST(Evidence, HolmAgreesWithStatsmodels) {
  EXPECT_TRUE(holm({}).empty());
  for (const Json& test : evidence_golden()["holm"]) {
    const auto adjusted = holm(test["p"].get<std::vector<double>>());
    ASSERT_EQ(adjusted.size(), test["adjusted"].size());
    for (size_t i = 0; i < adjusted.size(); ++i) EXPECT_NEAR(adjusted[i], test["adjusted"][i], kScipyParity);
  }
}

TEST(Evidence, BinomialBoundsAgreeWithScipy) {
  for (const Json& test : evidence_golden()["binomial"]) {
    EXPECT_NEAR(binomial_upper_bound(test["successes"], test["n"]), test["upper"], kScipyParity);
  }
}

TEST(Evidence, PowerAgreesWithScipy) {
  for (const Json& test : evidence_golden()["power"]) {
    const double effect_size = test["effect_size"];
    for (size_t i = 0; i < test["n"].size(); ++i) EXPECT_NEAR(power(effect_size, test["n"][i]), test["power"][i], 1e-6);
    EXPECT_EQ(units_needed(effect_size), test["needed"].get<int64_t>());
  }
  EXPECT_EQ(units_needed(0), std::nullopt);
  EXPECT_EQ(units_needed(-1), std::nullopt);
  EXPECT_EQ(units_needed(1e-6), std::nullopt);
  EXPECT_EQ(units_needed(std::numeric_limits<double>::infinity()), 2);
}

}  // namespace
}  // namespace replicate
