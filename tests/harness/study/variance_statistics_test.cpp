// The statistics behind variance_discrepancy and output_projection_alignment against their definitions, written out.

#include <gtest/gtest.h>

#include "base/statistics.h"
#include "harness/study/measures/output_alignment.h"
#include "harness/study/measures/value_aggregation.h"
#include "harness/study/measures/value_variance.h"
#include "models/core/watch.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

constexpr int64_t kB = 20, kH = 4, kG = 2, kK = 6, kP = kVariancePositions;

/// One pass of a small model, with everything that the statistics are made of.
class VarianceStatistics : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<int64_t> rows;
    for (int64_t q = 0; q < kP; ++q) rows.push_back(q);
    outputs_ = watch(Site::head_output, [](const Tensor& x) { return x.flatten(2); });
    values_ = watch(Site::value, [](const Tensor& v) { return v; });
    attention_ = watch_attention({.rows = rows}, [](const AttentionStatistics& s) { return s.rows; });
    ASSERT_TRUE(run({{model_,
                      random_tokens(kB, kP + 8),
                      {},
                      {variance_, aggregation_, projection_, of_values_, outputs_, values_, attention_}}},
                    {.batch_tokens = 200}));
  }

  Tensor outputs(int64_t layer) const { return outputs_->layer(layer).slice(1, 0, kP); }  // [B, P, H K]
  Tensor values(int64_t layer) const { return values_->layer(layer).slice(2, 0, kP); }    // [B, G, P, K]
  Tensor attention(int64_t layer) const { return attention_->layer(layer).slice(3, 0, kP); }

  /// Sum over pairs of positions at most `lags` - 1 apart, mean over heads.
  Tensor predicted(int64_t layer, int64_t lags) const {
    const auto deviations = values(layer) - values(layer).mean(at::IntArrayRef({0, 2}), true);
    auto sum = at::zeros({kP}, at::kDouble);
    for (int64_t h = 0; h < kH; ++h) {
      const auto v = deviations.select(1, h * kG / kH);  // [B, P, K]
      const auto products = at::einsum("btk,bsk->ts", {v, v}) / static_cast<double>(kB * kK);
      for (int64_t j = 0; j < kP; ++j) {
        for (int64_t k = 0; k < kP; ++k) {
          const auto lag = std::abs(j - k);
          if (lag >= lags) continue;
          const auto a = attention(layer).select(1, h);  // [B, P, P]
          sum += (a.select(2, j) * a.select(2, k)).mean(0) * products.diagonal(lag).mean() / kH;
        }
      }
    }
    return sum;
  }

  const std::shared_ptr<const Model> model_ = small_model();
  const std::vector<int64_t> layers_{1, 2};
  const std::shared_ptr<PositionVariance> variance_ =
      std::make_shared<PositionVariance>(Site::head_output, layers_, true);
  const std::shared_ptr<AggregationProbe> aggregation_ = std::make_shared<AggregationProbe>(layers_);
  const std::shared_ptr<ProjectionProbe> projection_ = std::make_shared<ProjectionProbe>(layers_);
  const std::shared_ptr<ValueVariance> of_values_ = std::make_shared<ValueVariance>(2);
  std::shared_ptr<Watch> outputs_, values_, attention_;
  const Tensor even_ = even_weights(kB);
};

void expect_nearly(const Tensor& a, const Tensor& b, double tolerance) {
  EXPECT_LT((a - b).abs().max().item<double>(), tolerance * b.abs().max().item<double>());
}

TEST_F(VarianceStatistics, VarianceByPositionAndItsRatioAreThoseOfTheOutputs) {
  for (const auto layer : {1, 2, 3}) {
    const auto variances = outputs(layer).var(0, true).mean(1);  // [P]
    const auto ratio = variances[0] / variances.slice(0, 1).mean();
    expect_nearly(variance_->ratio_by_layer(even_)[0][layer - 1], ratio, 1e-9);
    if (layer == 3) continue;
    expect_nearly(variance_->by_position(layer, even_)[0], variances, 1e-9);
    expect_nearly(variance_->ratio(layer, even_)[0], ratio, 1e-9);
  }
}

TEST_F(VarianceStatistics, PredictionsAreTheirSumsWrittenOut) {
  for (const auto layer : layers_) {
    const auto& seen = aggregation_->layer(layer);
    expect_nearly(predicted_variance(seen, even_, 1)[0], predicted(layer, 1), 1e-6);
    expect_nearly(predicted_variance(seen, even_, kP)[0], predicted(layer, kP), 1e-6);
  }
}

TEST_F(VarianceStatistics, DeviationIsFromTheMeanValueOfEachHeadsGroup) {
  const auto mean = values(1).mean(at::IntArrayRef({0, 2})).repeat_interleave(kH / kG, 0).flatten();  // [H K]
  expect_nearly(aggregation_->layer(1).deviation, (outputs(1) - mean).square().mean(2), 1e-9);
}

TEST_F(VarianceStatistics, MeanTauIsTheMeanOfEveryOutputsTau) {
  const OutputAlignment alignment(model_->config, projection_->outputs(1), projection_->weight(1));
  EXPECT_NEAR(alignment.mean_tau(even_, 0).item<double>(), mean(alignment.taus()), 1e-12);
  const auto variances = outputs(1).select(1, 5).var(0, true).contiguous();
  const std::vector<double> v(variances.const_data_ptr<double>(), variances.const_data_ptr<double>() + kH * kK);
  std::vector<double> taus;
  const auto weight = projection_->weight(1).abs().to(at::kDouble);
  for (int64_t i = 0; i < weight.size(0); ++i) {
    taus.push_back(kendall_tau_b({weight[i].const_data_ptr<double>(), v.size()}, v));
  }
  EXPECT_NEAR(alignment.mean_tau(even_, 5).item<double>(), mean(taus), 1e-12);
}

TEST_F(VarianceStatistics, ValuesOfManyBatchesHaveTheVarianceOfAll) {
  expect_nearly(of_values_->variance(), values(2).select(2, 0).var(0, true), 1e-12);
  EXPECT_TRUE(of_values_->weight().equal(model_->weights->block(2).output));
}

TEST_F(VarianceStatistics, TauOfValueVariancesIsThatOfTheInputsTheyReach) {
  const auto variance = values(1).select(2, 0).var(0, true);  // [G, K]
  const OutputAlignment alignment(model_->config, projection_->outputs(1), projection_->weight(1));
  EXPECT_NEAR(ProjectionTau(model_->config, projection_->weight(1))(variance),
              alignment.mean_tau(even_, 0).item<double>(), 1e-12);
}

TEST_F(VarianceStatistics, PermutedInputsCarryPermutedValues) {
  const auto permutation = at::tensor(Random(3).permutation(kG * kK), at::kLong);
  const auto order = input_order(model_->config, permutation);
  EXPECT_TRUE(std::get<0>(order.sort()).equal(at::arange(kH * kK)));
  const auto permuted = values(1).select(2, 0).flatten(1).index_select(1, permutation);  // [B, G K]
  const auto by_head = permuted.view({kB, kG, 1, kK}).expand({kB, kG, kH / kG, kK}).flatten(1);
  expect_nearly(outputs(1).select(1, 0).index_select(1, order), by_head, 1e-6);
}

TEST_F(VarianceStatistics, APermutedProjectionIsTheProjectionOfPermutedInputs) {
  const std::vector<Tensor> permutations{at::tensor(Random(4).permutation(kG * kK), at::kLong)};
  const auto weight = projection_->weight(1), inputs = projection_->outputs(1).flatten(2);
  const FirstAndRest metric(inputs, permuted_metric(model_->config, weight, permutations));
  // W_O' W_O in another order is W_O in another order: the same inputs meet other columns.
  const auto columns = weight.index_select(1, input_order(model_->config, permutations[0]));
  const FirstAndRest direct(at::linear(inputs, columns));
  expect_nearly(metric.ratio(even_), direct.ratio(even_), 1e-6);
}

}  // namespace
}  // namespace replicate
