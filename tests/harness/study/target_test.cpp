#include "harness/study/target.h"

#include <gtest/gtest.h>

#include "harness/study/measures/lane_comparison.h"
#include "harness/study/population.h"
#include "models/core/watch.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

constexpr int64_t kTarget = 4, kLambda = 6;

std::shared_ptr<Watch> head_outputs() {
  return watch(Site::head_output, [](const Tensor& x) { return x.flatten(2).clone(); });
}

double largest(const Tensor& x) { return x.abs().max().item<double>(); }

/// Largest difference of two lanes for each sequence.
std::shared_ptr<LaneComparison> watch_largest_difference() {
  return std::make_shared<LaneComparison>(
      [](const Tensor& a, const Tensor& b) { return (a - b).abs().flatten(1).amax(1); });
}

/// An untouched lane and one whose target is amplified in layers 1 and 2, compared as they run.
class Amplified : public testing::Test {
 protected:
  void SetUp() override {
    const auto model = small_model();
    const auto tokens = random_tokens(3, 9, 50, 5);
    const auto heads = record_heads("target", {1, 2}, kTarget);
    const Plan plan{{model, random_tokens(5, 5), {}, {calibration_}, {heads}},
                    {model, tokens, {}, probes(false, untouched_)},
                    {model, tokens, {amplify(heads, kTarget, kLambda)}, probes(true, amplified_)}};
    ASSERT_TRUE(run(plan, {.batch_tokens = 18}));
  }

  std::vector<std::shared_ptr<Probe>> probes(bool second, const std::shared_ptr<Watch>& watch) {
    return {watch, rows_for(rows_, second, {kTarget + 1, 8}), residual_for(before_, second, kTarget),
            residual_for(up_to_target_, second, kTarget + 1)};
  }

  std::shared_ptr<Watch> calibration_ = head_outputs(), untouched_ = head_outputs(), amplified_ = head_outputs();
  std::shared_ptr<LaneComparison> rows_ = watch_largest_difference(), before_ = watch_largest_difference(),
                                  up_to_target_ = watch_largest_difference();
};

TEST_F(Amplified, MovesTheTargetAwayFromTheCalibrationsMean) {
  const auto mean = calibration_->layer(1).select(1, kTarget).mean(0, true);
  const auto untouched = untouched_->layer(1).select(1, kTarget);
  const auto wanted = mean + kLambda * (untouched - mean);
  EXPECT_LT(largest(amplified_->layer(1).select(1, kTarget) - wanted), 1e-6);
}

TEST_F(Amplified, LeavesOtherPositionsOfTheFirstLayerAlone) {
  EXPECT_EQ(largest(amplified_->layer(1).select(1, 3) - untouched_->layer(1).select(1, 3)), 0);
}

TEST_F(Amplified, IsComparedBatchByBatch) {
  EXPECT_EQ(before_->layers().sizes(), (std::vector<int64_t>{3, 4}));  // [B, L + 1]
  EXPECT_EQ(largest(before_->layers()), 0);
  EXPECT_GT(up_to_target_->layers().slice(1, 1).min().item<double>(), 0);
  EXPECT_EQ(rows_->layers().sizes(), (std::vector<int64_t>{3, 3}));  // [B, L]
  EXPECT_EQ(largest(rows_->layers().select(1, 0)), 0);               // layer 1's attention comes before the change
  EXPECT_GT(rows_->layers().select(1, 2).min().item<double>(), 0);
}

}  // namespace
}  // namespace replicate
