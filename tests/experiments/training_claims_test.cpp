// What the training claims share, and all of them on training that never took place.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "harness/study/measures/effective_rank.h"
#include "harness/training/make_study.h"
#include "models/training/backcopy_data.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/expect_error.h"
#include "tests/support/golden_metrics.h"
#include "tests/support/made_up_training.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

constexpr double kStudent3 = 3.182446305284263;  // t(0.975) with 3 degrees of freedom

// ---- SeedMeasure ------------------------------------------------------------------------------------

TEST(SeedMeasure, GivesMeansStudentIntervals) {
  SeedMeasure measure;
  measure.mean("m", {-0.04, -0.03, -0.05, -0.02}, {{"layer", 1}});
  const auto measured = measure.take();
  const auto& metric = measured.metrics.front();
  const double half = kStudent3 * std::sqrt((0.005 * 0.005 * 2 + 0.015 * 0.015 * 2) / 3 / 4);
  EXPECT_NEAR(metric.value, -0.035, 1e-15);
  EXPECT_NEAR(*metric.low, -0.035 - half, 1e-12);
  EXPECT_NEAR(*metric.high, -0.035 + half, 1e-12);
  EXPECT_EQ(metric.n, 4);
  EXPECT_EQ(metric.inputs, "validation");
  EXPECT_EQ(measured.samples.front().values.size(), 4U);
  EXPECT_TRUE(measured.notes.empty());
}

TEST(SeedMeasure, LeavesOutWhatOneSeedOrADivergedOneCannotGive) {
  SeedMeasure measure("random");
  measure.mean("one", {2});
  measure.mean("diverged", {1, kNaN, 3});
  measure.mean("infinite", {1, INFINITY, 3});
  measure.curve("c", "baseline", "tokens", {0, 1}, {{1, 2}, {3, kNaN}});
  measure.curve("single", "baseline", "tokens", {0, 1}, {{1, 2}});
  const auto measured = measure.take();
  EXPECT_FALSE(measured.metrics[0].low);
  EXPECT_TRUE(std::isnan(measured.metrics[1].value));
  EXPECT_EQ(measured.notes,
            (std::vector<std::string>{"These have no value, because at least one seed has none: diverged, infinite."}));
  EXPECT_EQ(measured.series[0].y.front(), 2);
  EXPECT_TRUE(std::isnan(measured.series[0].y.back()));
  EXPECT_EQ(measured.series[0].low.size(), 2U);
  EXPECT_TRUE(measured.series[1].low.empty());
}

// ---- Stacked ranks -----------------------------------------------------------------------------------

TEST(StackedRank, AgreesWithSingularValues) {
  const auto model = small_model();
  const auto tokens = random_tokens(6, 20);
  const auto rank = std::make_shared<StackedRank>();
  const auto hidden = watch_residual([](const Tensor& x) { return x; });
  run({{model, tokens, {}, {rank, hidden}}}, {.batch_tokens = 40});
  for (int64_t layer = 1; layer <= 4; ++layer) {
    const auto direct = [&](int64_t first) {
      const auto s = at::linalg_svdvals(hidden->layer(layer).slice(1, first).flatten(0, 1));
      const auto p = s / s.sum();
      return (-(p * p.log()).sum()).exp().item<double>();
    };
    EXPECT_NEAR(rank->residual()[layer - 1].item<double>(), direct(0), 1e-6);
    EXPECT_NEAR(rank->residual_without_first()[layer - 1].item<double>(), direct(1), 1e-6);
  }
}

TEST(StackedRank, HasTheSameBitsWhateverTheThreads) {
  const auto model = small_model();
  const auto tokens = random_tokens(32, 64);
  const auto threads = at::get_num_threads();
  const auto with_threads = [&](int count) {
    at::set_num_threads(count);
    const auto rank = std::make_shared<StackedRank>();
    run({{model, tokens, {}, {rank}}}, {});
    return rank->residual_without_first();
  };
  const auto one = with_threads(1), two = with_threads(2);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, two));
}

// ---- all of them ------------------------------------------------------------------------------------

TEST(TrainingClaim, IsDescribedByFunctionsAboutTrainingAlone) {
  const auto results = planted_training();
  Context context{Parameters{}};
  context.training = &results;
  const auto nothing = [](Claim&) {};
  bool described = false;
  const auto claim = declare_claim(
      {.trains = true, .judged = nothing, .described = {[&](Claim& of) {
                                            described = dynamic_cast<TrainingClaim&>(of).trained().own_rate.contains(
                                                kHeadRmsNorm);
                                          }}},
      std::move(context));
  EXPECT_TRUE(described);
}

/// As in one study for all claims, where emergence wants 24 seeds of the baseline and the others 10.
TEST(ComparedArms, UseTheFirstSeedsThatAllHave) {
  auto results = faster_training();
  results.own_rate[kBaseline] = runs_with_loss(
      kBaseline, [](uint64_t seed, int64_t) { return 4 + 0.1 * static_cast<double>(seed); }, 24);
  results.own_rate[kConstantGain] = falling_runs(kConstantGain, 0.01);
  results.own_rate[kBaselineAgain] = {results.own_rate[kBaseline].front()};
  const ComparedArms arms(results.own_rate, {kBaseline, kHeadRmsNorm}, {kConstantGain, kBaselineAgain, kDenseDown});
  EXPECT_EQ(arms.seeds(), 10);
  EXPECT_EQ(arms.names(), (std::vector<std::string>{kBaseline, kHeadRmsNorm, kConstantGain}));
  for (const auto& arm : arms.names()) EXPECT_EQ(arms.runs(arm).size(), 10U) << arm;
  EXPECT_NEAR(final_losses(arms.runs(kBaseline)).back(), 5, 1e-12) << "the tenth";
  EXPECT_EQ(arms.missing({kBaseline, kHeadRmsNorm}), "");
  EXPECT_EQ(ComparedArms(results.own_rate, {kBaseline, kDenseDown}).missing({kBaseline, kDenseDown}),
            "the profile does not train dense_down");
  SeedMeasure measure;
  arms.note_runs(measure);
  EXPECT_EQ(
      measure.take().notes,
      (std::vector<std::string>{"Of the 24 seeds of baseline the first 10 are compared: another arm has no more."}));
}

TEST(ComparedArms, GiveTheVerdictOfTheirFirstSeeds) {
  const auto ten = faster_training();
  auto more = ten;
  const auto others = falling_runs(kBaseline, 0.02);  // unlike the first ten
  auto& baseline = more.own_rate[kBaseline];
  baseline.insert(baseline.end(), others.begin(), others.end());
  const auto one = judged("convergence_speedup", ten), other = judged("convergence_speedup", more);
  EXPECT_EQ(one.judgement.verdict, Verdict::pass);
  EXPECT_EQ(other.judgement.reason, one.judgement.reason);
  EXPECT_EQ(other.value("headroom"), one.value("headroom"));
  EXPECT_EQ(other.value("seeds"), 10);
  EXPECT_TRUE(other.notes("Of the 20 seeds of baseline the first 10 are compared")) << other.all_notes();
  auto eleven = planted_training();
  eleven.own_rate[kBaseline].insert(eleven.own_rate[kBaseline].begin(), eleven.own_rate[kBaseline].front());
  EXPECT_EQ(judged("sink_mitigation", eleven, {"validation.sequences=8", "over_training.sequences=4"})
                .value("baseline_seeds_with_sink"),
            10);
}

struct MadeUp {
  TrainingResults results;
  std::vector<std::string> changes;
};

TEST(JudgedMetrics, HaveNotMovedOnMadeUpTraining) {
  const OneThread one;
  const std::vector<std::string> few_random = {"random.sequences=16"}, few_texts = {"validation.sequences=8"};
  const std::map<std::string, MadeUp> made_up = {
      {"convergence_speedup", {faster_training(), {}}},
      {"sink_mitigation", {planted_training(), {"validation.sequences=8", "over_training.sequences=4"}}},
      {"sigmoid_mitigation", {planted_training(kSigmoidAttention), few_texts}},
      {"rank_preservation", {planted_training(), few_texts}},
      {"gated_attention", {planted_training(kGatedAttention), few_random}},
      {"dense_ffn", {planted_training(kDenseDown), few_texts}},
      {"statistical_parity", {three_arms(), few_random}},
      {"emergence", {foreseen_training(), {"validation.sequences=8", "early=0.5"}}}};
  GoldenMetrics metrics;
  for (const auto& [claim, procedures] : claim_registry()) {
    if (!procedures.trains) continue;
    ASSERT_TRUE(made_up.contains(claim)) << claim;
    const auto trial = judged(claim, made_up.at(claim).results, made_up.at(claim).changes);
    add_judged(metrics, "made_up", claim, trial.judging, trial.measurement, trial.judgement);
  }
  expect_golden_metrics("training_claims.json", metrics);
}

// ---- Texts for a study ------------------------------------------------------------------------------

/// Of profile cpu, on the texts of write_tiny_prose.
Settings prose_settings(const std::vector<std::string>& changes = {}) {
  std::vector<std::string> overrides = {"training.data=prose", "training.vocabulary=257", "training.length=16"};
  overrides.insert(overrides.end(), changes.begin(), changes.end());
  return resolve(load_settings({std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs", "", "cpu", "smollm2-null", "",
                                overrides, std::nullopt}));
}

void write_tiny_prose(const TemporaryFolder& folder) {
  folder.write("assets/tokenizers/prose-bpe-4096/tokenizer.json", byte_tokenizer_json().dump());
  for (const auto* name : {"assets/prose/one.txt", "assets/prose/two.txt"})
    folder.write(name, std::string(200, 'a') + name);
}

/// Another loss decides another verdict, so records are made anew; what was trained stays.
TEST(MakeStudy, TrainsTheSameWhateverLossIsKnown) {
  const TemporaryFolder folder;
  write_tiny_prose(folder);
  const auto none = prose_settings().training, known = prose_settings({"training.lowest_known_loss=2"}).training;
  const auto study = [&](const Parameters& training) {
    return make_study(training, 1, folder / "assets", folder / "runs", at::kCPU);
  };
  EXPECT_NE(study(none)->fingerprint(), study(known)->fingerprint());
  EXPECT_EQ(study(none)->results().lowest_known_loss, 0);
  EXPECT_EQ(study(known)->results().lowest_known_loss, 2);
  const BackcopyData data("abcabcaab", 4, "a", 16, true);
  const auto run_folder = [&](const Parameters& training) {
    const Recipes recipes(training, 1, at::kCPU);
    return TrainingRun::folder_name(kBaseline, recipes.run(kBaseline, 0, 0.003), recipes.plan(), data, at::kCPU);
  };
  EXPECT_EQ(run_folder(none), run_folder(known));
  expect_error([&] { study(prose_settings({"training.lowest_known_loss=-1"}).training); },
               "training.lowest_known_loss is not a loss");
}

TEST(MakeStudy, RefusesTokensThatWereChangedSince) {
  const TemporaryFolder folder;
  write_tiny_prose(folder);
  const auto settings = prose_settings();
  const auto make = [&] { make_study(settings.training, 1, folder / "assets", folder / "runs", at::kCPU); };
  make();
  EXPECT_NO_THROW(make());
  const auto file = std::filesystem::directory_iterator(folder / "runs/tokens")->path();
  std::fstream(file, std::ios::binary | std::ios::in | std::ios::out).seekp(136).write("\xff\xff", 2);  // the first id
  expect_error(make, "the ids do not have their checksum (" + file.string() + "): delete the file");
  std::filesystem::remove(file);
  EXPECT_NO_THROW(make());
}

}  // namespace
}  // namespace replicate
