// The claim dense_ffn on training that never took place: the sink of the arm is there or not, and so is its dominance.

#include <gtest/gtest.h>

#include "harness/study/measures/sink_probes.h"
#include "tests/support/made_up_training.h"

namespace replicate {
namespace {

/// The baseline grew the planted sink; the arm became `arm(seed)` and ended with this loss, the baseline with 1.
TrainingResults dense_training(const std::function<std::shared_ptr<const Model>(uint64_t)>& arm, double loss = 1) {
  auto results = planted_training(kDenseDown);
  results.own_rate[kDenseDown].clear();
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto noise = 1e-4 * static_cast<double>(seed % 3);
    results.own_rate[kDenseDown].push_back(
        run_of(kDenseDown, [=](int64_t) { return loss + noise; }, {planted_model(0, seed), arm(seed)}));
  }
  return results;
}

std::shared_ptr<const Model> without_sink(uint64_t seed) { return planted_model(0, seed); }
std::shared_ptr<const Model> with_dense_sink(uint64_t seed) { return planted_model(1, seed, Circuit::dense_direction); }
std::shared_ptr<const Model> with_sparse_sink(uint64_t seed) { return planted_model(1, seed); }

TrainingTrial of_dense(const TrainingResults& results) {
  return judged("dense_ffn", results, {"validation.sequences=8"});
}

bool begins(const TrainingTrial& trial, const std::string& text) { return trial.judgement.reason.rfind(text, 0) == 0; }

/// Largest excess attention of any layer, from the columns of one pass.
double largest_excess_of(const std::shared_ptr<const Model>& model, const Tokens& tokens) {
  const auto columns = watch_columns({0});
  run({{model, tokens, {}, {columns}}}, {});
  const auto attention = columns->layers().select(2, 0).slice(2, 1).mean({0, 2});  // [L], queries 1 to T - 1
  double uniform = 0;
  for (int64_t q = 1; q < tokens->length(); ++q) uniform += 1.0 / static_cast<double>(q + 1);
  uniform /= static_cast<double>(tokens->length() - 1);
  return ((attention - uniform) / (1 - uniform)).max().item<double>();
}

TEST(DenseFfn, PassesWhereTheSinkIsGoneAndTheLossIsKept) {
  const auto trial = of_dense(dense_training(without_sink));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_LT(trial.value("dominance_kept"), 0.5);
}

TEST(DenseFfn, FailsWhereTheSinkRidesOnADenseDirection) {
  const auto trial = of_dense(dense_training(with_dense_sink));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_TRUE(begins(trial, "excess_beyond_share")) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::contradicts);
}

TEST(DenseFfn, FailsWhereTheLossIsHigher) {
  const auto trial = of_dense(dense_training(without_sink, 1.01));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_TRUE(begins(trial, "relative_loss_difference")) << trial.judgement.reason;
  EXPECT_EQ(of_dense(dense_training(without_sink, 1.002)).judgement.verdict, Verdict::pass) << "0.2% is allowed";
}

TEST(DenseFfn, IsOpenWhereADimensionStillStandsOut) {
  const auto trial = of_dense(dense_training(with_sparse_sink));
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_TRUE(begins(trial, "position 0's vector is not dense: the intervention did not take"))
      << trial.judgement.reason;
  EXPECT_NEAR(trial.value("dominance_kept"), 1, 1e-12);
}

TEST(DenseFfn, IsOpenWhereACheckIsUnmet) {
  auto on_exhausted_data = dense_training(without_sink);
  on_exhausted_data.lowest_known_loss = 0.98;
  const auto exhausted = of_dense(on_exhausted_data);
  EXPECT_EQ(exhausted.judgement.verdict, Verdict::inconclusive);
  EXPECT_TRUE(begins(exhausted, "the baseline is not known to have enough left to gain on this data: headroom = 0.02"))
      << exhausted.judgement.reason;
  auto at_edge = dense_training(without_sink);
  at_edge.rates[kDenseDown] = {{0.001, 998}, {0.003, 1100}, {0.01, kNaN}};
  EXPECT_TRUE(begins(of_dense(at_edge), "a better learning rate may lie beyond")) << of_dense(at_edge).judgement.reason;
  auto no_sink = dense_training(without_sink);
  no_sink.own_rate[kBaseline] = runs_with_models(kBaseline, [](uint64_t seed) {
    return Models{planted_model(0, seed), planted_model(0, seed)};
  });
  EXPECT_TRUE(begins(of_dense(no_sink), "too few seeds of the baseline have a sink to take away"))
      << of_dense(no_sink).judgement.reason;
  auto diverged = dense_training(without_sink);
  for (const uint64_t seed : {1, 2, 3}) stop(diverged, kDenseDown, seed);
  EXPECT_TRUE(begins(of_dense(diverged), "too many runs diverged")) << of_dense(diverged).judgement.reason;
}

TEST(DenseFfn, NeedsTheArm) {
  auto results = dense_training(without_sink);
  results.own_rate.erase(kDenseDown);
  EXPECT_EQ(of_dense(results).judgement.verdict, Verdict::not_run);
}

TEST(DenseFfn, ComparesEachSeedWithItsOwnBaseline) {
  const auto results = dense_training(with_dense_sink, 1.001);
  const auto trial = of_dense(results);
  const auto tokens = results.validation(8, Region::measure);
  double excess = 0, loss = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto largest = [&](const auto& model) { return largest_excess_of(model, tokens); };
    excess += (largest(with_dense_sink(seed)) - 0.5 * largest(with_sparse_sink(seed))) / kSeeds;
    loss += (0.001 + 1e-4 * static_cast<double>(seed % 3)) / kSeeds;
  }
  EXPECT_NEAR(trial.value("excess_beyond_share"), excess, 1e-6);
  EXPECT_NEAR(trial.value("relative_loss_difference"), loss, 1e-12);
}

}  // namespace
}  // namespace replicate
