#include "harness/training/throughput.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

/// Six operations a weight and token; of the squares of the length half, in scores and in values, forward and twice
/// backward.
TEST(Throughput, OperationsOfAStepAreThoseOfTheWeightsAndTheCausalTriangle) {
  Recipe recipe;
  recipe.model = {.layers = 3,
                  .width = 64,
                  .heads = 4,
                  .kv_heads = 4,
                  .head_width = 16,
                  .hidden = 96,
                  .vocabulary = 100,
                  .rope = {}};
  recipe.sequences = 5;
  const double length = 40, tokens = 5 * length, weights = 3 * (4 * 64 * 64 + 3 * 64 * 96) + 100 * 64;
  const double triangle = length * (length + 1) / 2;
  EXPECT_DOUBLE_EQ(step_flops(recipe, 40), 6 * weights * tokens + 3 * 2 * 2 * triangle * 64 * 3 * 5);
}

TEST(Throughput, KnowsThePeaksOfDataSheets) {
  EXPECT_EQ(nominal_bfloat16_flops("cuda:0, NVIDIA H100 80GB HBM3"), 989.4e12);
  EXPECT_EQ(nominal_bfloat16_flops("cuda:0, NVIDIA H100 PCIe"), 756e12);
  EXPECT_EQ(nominal_bfloat16_flops("cuda:1, NVIDIA A100-SXM4-40GB"), 312e12);
  EXPECT_FALSE(nominal_bfloat16_flops("cuda:0, NVIDIA GeForce RTX 4090"));
}

TEST(Throughput, IsToldWithItsPeaks) {
  TrainedRun run;
  run.recipe.model = {
      .layers = 1, .width = 8, .heads = 1, .kv_heads = 1, .head_width = 8, .hidden = 8, .vocabulary = 10, .rope = {}};
  run.recipe.sequences = 4;
  run.curve = {{.step = 0}, {.step = 100, .seconds = 2}};
  const auto flops = 50 * step_flops(run.recipe, 16);
  const auto said = throughput(run, 16, Peak{flops * 4, flops * 5}.of_all(2));
  EXPECT_NE(said.find("3,200 tokens/s, 12% of the"), std::string::npos) << said;
  EXPECT_NE(said.find("(MFU), 10% of the nominal"), std::string::npos) << said;
  EXPECT_EQ(throughput(run, 16, Peak{flops}).find("nominal"), std::string::npos);
}

TEST(Throughput, OfARunWithoutTimeIsNotTold) {
  TrainedRun run;
  run.recipe.sequences = 4;
  for (const CurvePoint last :
       {CurvePoint{.step = 0}, CurvePoint{.step = 100, .seconds = 0}, CurvePoint{.step = -1, .seconds = 1}}) {
    run.curve = {last};
    EXPECT_EQ(throughput(run, 16, Peak{1e9}), "no step was made");
  }
  run.curve = {{.step = 100, .seconds = 1e-300}};
  EXPECT_EQ(throughput(run, 16, Peak{1e9}).find('-'), std::string::npos);
}

TEST(RunHistory, SurvivesItsFile) {
  const RunHistory history{{{0, 0, NAN, 4.5, NAN}, {10, 1.5, 4.25, 4, 0.5}}, 1.5, "diverged"};
  const auto text = history_to_json(history);
  const auto read = history_from_json(text, "run.json");
  EXPECT_EQ(history_to_json(read), text);
  EXPECT_EQ(read.curve[1].step, 10);
  EXPECT_TRUE(std::isnan(read.curve[0].train_loss));
}

TEST(RunHistory, WithoutAPointIsRefused) {
  expect_error([] { history_from_json(history_to_json({}), "run.json"); }, "its curve has no point");
}

TEST(RunHistory, DamageIsSaidInOneShortLine) {
  const std::string hostile = "\x1b\n\xff" + std::string(100'000, 'a'),
                    deep = std::string(100'000, '[') + std::string(100'000, ']');
  for (const std::string& text :
       {hostile, "{\"" + hostile, "{\"seconds\": 1, \"stopped\": \"\", \"curve\": " + deep + "}", std::string("[]"),
        std::string("{\"seconds\": \"1\"}"), std::string("{}")}) {
    expect_error([&] { history_from_json(text, "run.json"); }, "the history of a training run cannot be read: ");
    EXPECT_LT(message_of([&] { history_from_json(text, "run.json"); }).size(), 300U);
  }
}

}  // namespace
}  // namespace replicate
