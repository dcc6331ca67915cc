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

TEST(SeedMeasure, ASeedWithoutAValueIsLeftOutOfTheMeanAndKeptAmongTheSamples) {
  const std::vector<double> some = {-0.3, std::nan(""), -0.1}, none = {std::nan(""), std::nan("")};
  SeedMeasure measure;
  measure.judged("some", some);
  measure.judged("none", none);
  const auto measurement = measure.take();
  EXPECT_NEAR(measurement.metrics[0].value, -0.2, 1e-15);
  EXPECT_EQ(measurement.metrics[0].n, 2);
  ASSERT_EQ(measurement.samples[0].values.size(), 3U);
  EXPECT_TRUE(std::isnan(measurement.samples[0].values[1]));
  EXPECT_TRUE(std::isnan(measurement.metrics[1].value));
  EXPECT_FALSE(measurement.metrics[1].low);
  ASSERT_EQ(measurement.notes.size(), 1u);
  EXPECT_NE(measurement.notes[0].find("none"), std::string::npos);
}

}  // namespace
}  // namespace replicate
