#include "harness/training/seed_measure.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/mean_test.h"

namespace replicate {
namespace {

TEST(SeedMeasure, WhatIsJudgedKeepsItsSeedsAndHasTheIntervalOfItsTest) {
  const std::vector<double> contrasts = {-0.3, -0.1, -0.9, -0.2, -0.4, -0.3, -0.2, -0.6, -0.1, -0.3};
  SeedMeasure measure;
  measure.judged("contrast", contrasts, {{"layer", 2}});
  const auto measurement = measure.take();
  const auto [low, high] = MeanTest(contrasts).interval();
  EXPECT_EQ(measurement.metrics[0].low, low);
  EXPECT_EQ(measurement.metrics[0].high, high);
  EXPECT_EQ(measurement.metrics[0].n, 10);
  EXPECT_EQ(measurement.samples[0].values, contrasts);
  EXPECT_EQ(measurement.samples[0].where, measurement.metrics[0].where);
}

TEST(SeedMeasure, ASeedWithoutAValueLeavesNoneAndIsNamed) {
  SeedMeasure measure;
  measure.judged("contrast", {-0.3, std::nan(""), -0.1});
  const auto measurement = measure.take();
  EXPECT_TRUE(std::isnan(measurement.metrics[0].value));
  EXPECT_FALSE(measurement.metrics[0].low);
  ASSERT_EQ(measurement.notes.size(), 1u);
  EXPECT_NE(measurement.notes[0].find("contrast"), std::string::npos);
}

}  // namespace
}  // namespace replicate
