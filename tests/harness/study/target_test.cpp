#include "harness/study/target.h"

#include <gtest/gtest.h>

#include "harness/study/measures/lane_comparison.h"
#include "harness/study/measures/target_attention.h"
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

  std::vector<std::shared_ptr<Probe>> probes(bool second, const std::shared_ptr<Watch>& heads) {
    return {heads, second ? residual_ : untouched_residual_, rows_for(rows_, second, {kTarget + 1, 8})};
  }

  /// How far positions 0 to `last` of the residual stream lie apart: [B, L + 1].
  Tensor apart(int64_t last) const {
    return (residual_->layers() - untouched_residual_->layers()).slice(2, 0, last + 1).abs().amax({2, 3});
  }

  std::shared_ptr<Watch> calibration_ = head_outputs(), untouched_ = head_outputs(), amplified_ = head_outputs(),
                         untouched_residual_ = residual(), residual_ = residual();
  std::shared_ptr<LaneComparison> rows_ = watch_largest_difference();
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

TEST_F(Amplified, ChangesNoEarlierPosition) {
  EXPECT_EQ(largest(apart(kTarget - 1)), 0);
  EXPECT_GT(apart(kTarget).slice(1, 1).min().item<double>(), 0);
}

TEST_F(Amplified, IsComparedBatchByBatch) {
  EXPECT_EQ(rows_->layers().sizes(), (std::vector<int64_t>{3, 3}));  // [B, L]
  EXPECT_EQ(largest(rows_->layers().select(1, 0)), 0);               // layer 1's attention comes before the change
  EXPECT_GT(rows_->layers().select(1, 2).min().item<double>(), 0);
}

/// Of three positions the last query alone looks at position 1, so a third of its attention is no more than even.
TEST(TargetAttention, MakesASinkByTheRuleThatIsGiven) {
  const TargetAttention pass{.target = 1, .length = 3, .columns = nullptr};
  const auto attention = at::tensor({0.3, 0.5, 0.9}, at::kDouble);  // excess attention -0.05, 0.25, 0.85
  EXPECT_TRUE(at::equal(has_sink(attention, pass, 0.2), at::tensor({0.0, 1.0, 1.0}, at::kDouble)));
  EXPECT_TRUE(at::equal(has_sink(attention, pass, 0.3), at::tensor({0.0, 0.0, 1.0}, at::kDouble)));
}

/// The quotient of a row and the row itself is the norm of each value vector, where attention is not too small for it.
TEST_F(Amplified, RowsAreWeightedWithTheNormsOfTheValuesTheyWeigh) {
  const auto model = small_model();
  const auto norms = watch(Site::value, [](const Tensor& v) { return at::linalg_vector_norm(v, 2, {-1}); });
  const auto tokens = random_tokens(3, 9, 50, 5);
  const auto weighted = std::make_shared<LaneComparison>([](const Tensor&, const Tensor& changed) { return changed; });
  ASSERT_TRUE(run({{model, tokens, {}, {only_in({3}, norms), weighted_rows_for(weighted, false, {3}, {8})}},
                   {model, tokens, {}, {weighted_rows_for(weighted, true, {3}, {8})}}},
                  {}));
  const auto rows = weighted->layers().select(1, 0).select(3, 0);                                      // [B, 2, H, T]
  const auto per_head = norms->layer(3).repeat_interleave(rows.size(2) / norms->layer(3).size(1), 1);  // [B, H, T]
  EXPECT_LT(largest(rows.select(1, 1) - rows.select(1, 0) * per_head), 1e-6);
  EXPECT_NEAR(rows.select(1, 0).sum(-1).min().item<double>(), 1, 1e-5);
}

}  // namespace
}  // namespace replicate
