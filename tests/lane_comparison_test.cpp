#include <gtest/gtest.h>
#include "harness/amplification.h"
#include "harness/probes/lane_comparison.h"
#include "harness/probes/watch.h"
#include "harness/population.h"
#include "tests/small_model.h"
using namespace replicate;
TEST(Z, Amplify) {
  const auto model = small_model();
  const auto cal = random_tokens(5, 5), tok = random_tokens(3, 9, 50, 5);
  auto rec = record_heads({1, 2}, 4);
  auto o = [] { return watch(Site::head_output, [](const Tensor& x) { return x.flatten(2).clone(); }); };
  auto oc = o(), ou = o(), oa = o();
  auto cmp = std::make_shared<LaneComparison>([](const Tensor& a, const Tensor& b) { return (a - b).abs().amax({1, 2, 3}); });
  auto res = std::make_shared<LaneComparison>([](const Tensor& a, const Tensor& b) { return (a - b).abs().amax({1, 2}); });
  auto res2 = std::make_shared<LaneComparison>([](const Tensor& a, const Tensor& b) { return (a - b).abs().amax({1, 2}); });
  Plan plan{{model, cal, {}, {rec, oc}},
            {model, tok, {}, {ou, rows_for(cmp, false, {5, 8}), residual_for(res, false, 4), residual_for(res2, false, 5)}},
            {model, tok, {amplify(rec, 4, 6)}, {oa, rows_for(cmp, true, {5, 8}), residual_for(res, true, 4), residual_for(res2, true, 5)}}};
  run(plan, {.batch_tokens = 18});
  const auto mu = oc->layer(1).select(1, 4).mean(0, true);
  const auto want = mu + 6 * (ou->layer(1).select(1, 4) - mu);
  EXPECT_LT((oa->layer(1).select(1, 4) - want).abs().max().item<double>(), 1e-6);
  EXPECT_EQ((oa->layer(1).select(1, 3) - ou->layer(1).select(1, 3)).abs().max().item<double>(), 0);
  EXPECT_EQ(res->layers().sizes(), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(res->layers().max().item<double>(), 0);
  EXPECT_GT(res2->layers().slice(1, 1).min().item<double>(), 0);
  EXPECT_EQ(cmp->layers().sizes(), (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(cmp->layers().select(1, 0).max().item<double>(), 0);
  EXPECT_GT(cmp->layers().select(1, 2).min().item<double>(), 0);
}
