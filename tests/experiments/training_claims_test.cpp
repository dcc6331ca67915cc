// The training claims on runs that were never trained: curves made up so that every number is known, and models whose
// sink was written by hand or is not there.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "harness/study/claim.h"
#include "harness/study/compared_arms.h"
#include "harness/study/measures/effective_rank.h"
#include "harness/training/make_study.h"
#include "models/core/watch.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/expect_error.h"
#include "tests/support/golden_metrics.h"
#include "tests/support/planted_model.h"
#include "tests/support/small_model.h"
#include "tests/support/special_numbers.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

constexpr double kStudent3 = 3.182446305284263;  // t(0.975) with 3 degrees of freedom
constexpr int64_t kEvery = 10, kSteps = 100, kDecay = 20;

using Models = std::vector<std::shared_ptr<const Model>>;

/// A run whose validation loss at step s is loss(s), its train loss 0.1 below; `models` were kept evenly.
TrainedRun run_of(const std::string& arm, const std::function<double(int64_t)>& loss,
                  const Models& models = {small_model()}, double step_seconds = 1) {
  TrainedRun run;
  run.arm = arm;
  run.recipe.learning_rate = 0.003;
  for (int64_t step = 0; step <= kSteps; step += kEvery) {
    const double train_loss = step == 0 ? kNaN : loss(step) - 0.1;
    run.curve.push_back({step, step_seconds * static_cast<double>(step), train_loss, loss(step), 1});
  }
  const auto last = std::max<int64_t>(static_cast<int64_t>(models.size()) - 1, 1);
  for (size_t i = 0; i < models.size(); ++i) run.models.push_back({static_cast<int64_t>(i) * kSteps / last, models[i]});
  return run;
}

/// Four seeds; loss(seed, step) and models(seed).
std::vector<TrainedRun> seeds_of(const std::string& arm, const std::function<double(int, int64_t)>& loss,
                                 double step_seconds = 1) {
  std::vector<TrainedRun> runs;
  for (int seed = 0; seed < 4; ++seed) {
    runs.push_back(run_of(
        arm, [&](int64_t step) { return loss(seed, step); }, {small_model()}, step_seconds));
  }
  return runs;
}

std::vector<TrainedRun> seeds_of_models(const std::string& arm, const std::function<Models(uint64_t)>& models) {
  std::vector<TrainedRun> runs;
  for (uint64_t seed = 1; seed <= 4; ++seed)
    runs.push_back(run_of(
        arm, [](int64_t) { return 1.0; }, models(seed)));
  return runs;
}

TrainingResults results_for(const ModelConfig& config) {
  TrainingResults results;
  results.config = config;
  results.length = 64;
  results.sequences = 100;
  results.steps = kSteps;
  results.decay_steps = kDecay;
  const auto tokens = [config](int64_t sequences, const std::string& label, uint64_t seed) {
    return make_tokens(random_tokens(sequences, 64, config.vocabulary, seed)->ids, label, label);
  };
  results.validation = [=](int64_t n, Region region) {
    return tokens(n, "validation", region == Region::survey ? 5 : 6);
  };
  results.random = [=](int64_t n, bool bos) {
    EXPECT_FALSE(bos);
    return tokens(n, "random", 7);
  };
  return results;
}

struct TrainingTrial {
  Measurement measurement;
  Judgement judgement;
  Judging judging;

  const Metric* find(const std::string& name) const {
    for (const auto& metric : measurement.metrics) {
      if (metric.name == name) return &metric;
    }
    return nullptr;
  }
  double value(const std::string& name) const {
    const auto* metric = find(name);
    EXPECT_NE(metric, nullptr) << name;
    return metric ? metric->value : kNaN;
  }
  const Series& series(const std::string& name, const std::string& arm) const {
    for (const auto& one : measurement.series) {
      if (one.name == name && one.inputs == arm) return one;
    }
    throw std::runtime_error("no series " + name + " of " + arm);
  }
  bool notes(const std::string& part) const {
    return std::ranges::any_of(measurement.notes,
                               [&](const auto& note) { return note.find(part) != std::string::npos; });
  }
  std::string all_notes() const {
    std::string text;
    for (const auto& note : measurement.notes) text += note + "\n";
    return text;
  }
};

/// The claim with the parameters and thresholds of its YAML; `changes` as in --set claims.<id>.<change>.
TrainingTrial judged(const std::string& claim, const TrainingResults& results,
                     const std::vector<std::string>& changes = {}) {
  std::vector<std::string> overrides;
  for (const auto& change : changes) overrides.push_back("claims." + claim + "." + change);
  const auto settings = resolve(load_settings({std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs", "", "cpu",
                                               "smollm2-null", claim, overrides, std::nullopt}))
                            .claims.front();
  Context context(settings.parameters);
  context.training = &results;
  context.arms = settings.arms;
  const auto declared = declare_claim(claim, std::move(context));
  run(declared->plan(), {});
  auto measurement = declared->measure();
  EXPECT_EQ(settings.parameters.unread(), std::vector<std::string>{});
  auto judgement = judge(measurement, settings.judging);
  return {std::move(measurement), std::move(judgement), settings.judging};
}

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
            (std::vector<std::string>{"Without a value, because one seed at least has none: diverged, infinite."}));
  EXPECT_EQ(measured.series[0].y.front(), 2);
  EXPECT_TRUE(std::isnan(measured.series[0].y.back()));
  EXPECT_EQ(measured.series[0].low.size(), 2U);
  EXPECT_TRUE(measured.series[1].low.empty());
}

// ---- convergence_speedup ----------------------------------------------------------------------------

/// What the decay of the rate gives to every arm.
double decayed(int64_t step) { return step > kSteps - kDecay ? 0.5 : 0; }

/// A baseline whose loss falls by 0.01 a step, and an arm whose loss falls by `slope`; each seed has its own offset,
/// which pairing takes away.
TrainingResults falling(double slope, double step_seconds = 1) {
  auto results = results_for(small_model()->config);
  results.own_rate["baseline"] =
      seeds_of("baseline", [](int seed, int64_t step) { return 5 + 10 * seed - 0.01 * step - decayed(step); });
  results.own_rate["head_rms_norm"] = seeds_of(
      "head_rms_norm", [=](int seed, int64_t step) { return 5 + 10 * seed - slope * step - decayed(step); },
      step_seconds);
  return results;
}

TEST(ConvergenceSpeedup, FindsTheRatioOfTokensOfAFasterArm) {
  const auto trial = judged("convergence_speedup", falling(0.0125, 1.5));
  // The baseline ends its constant rate at step 80 with a loss lower by 0.8; the arm has that at step 64.
  EXPECT_NEAR(trial.value("tokens_to_baseline_loss_ratio"), 0.8, 1e-9);
  EXPECT_NEAR(trial.value("seconds_to_baseline_loss_ratio"), 1.2, 1e-9);
  EXPECT_NEAR(trial.value("final_loss_difference"), -0.25, 1e-9);
  EXPECT_NEAR(trial.value("final_train_loss_difference"), -0.25, 1e-9);
  EXPECT_NEAR(trial.value("tokens_per_run"), 100 * 100 * 64, 0);
  EXPECT_EQ(trial.value("seeds"), 4);
  EXPECT_EQ(trial.series("validation_loss", "baseline").x.back(), 640000);
  EXPECT_EQ(trial.series("train_loss", "baseline").x.front(), 64000);
  // Nothing told the baseline from itself: it may not pass without that control.
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive) << trial.judgement.reason;
  EXPECT_NE(trial.judgement.reason.find("baseline_again was not measured"), std::string::npos);
}

TEST(ConvergenceSpeedup, TurnsTheRatioRoundForASlowerArm) {
  const auto trial = judged("convergence_speedup", falling(0.008));
  // The arm ends 0.64 lower than it began, where the baseline was at step 64.
  EXPECT_NEAR(trial.value("tokens_to_baseline_loss_ratio"), 1.25, 1e-9);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
}

TEST(ConvergenceSpeedup, SaysOneOfTwoEqualArmsHoweverNoisy) {
  auto results = falling(0.01);
  const auto noisy = [](int seed, int64_t step) { return 5 + seed - 0.01 * step + 0.2 * ((step / kEvery) % 2); };
  for (auto& [arm, runs] : results.own_rate) runs = seeds_of(arm, noisy);
  EXPECT_NEAR(judged("convergence_speedup", results).value("tokens_to_baseline_loss_ratio"), 1, 1e-12);
}

/// An arm that gains a little in each seed, and the baseline against itself.
TrainingResults gaining() {
  auto results = falling(0.01);
  const auto shifted = [](double share) {
    return [share](int seed, int64_t step) {
      const double gain = std::vector{0.04, 0.03, 0.05, 0.02}[seed];
      return 5 + 10 * seed - 0.01 * step - decayed(step) - (step > 0 ? share * gain : 0);
    };
  };
  results.own_rate["head_rms_norm"] = seeds_of("head_rms_norm", shifted(1));
  results.own_rate["baseline_again"] = seeds_of("baseline_again", [](int seed, int64_t step) {
    return 5 + 10 * seed - 0.01 * step - decayed(step) + (seed % 2 ? 0.001 : -0.001);
  });
  results.shared_rate["baseline"] = results.own_rate["baseline"];
  results.shared_rate["head_rms_norm"] = seeds_of("head_rms_norm", shifted(2));
  return results;
}

TEST(ConvergenceSpeedup, PairsSeedsAndPassesWithItsControl) {
  const auto trial = judged("convergence_speedup", gaining());
  const double half = kStudent3 * std::sqrt((0.005 * 0.005 * 2 + 0.015 * 0.015 * 2) / 3 / 4);
  EXPECT_NEAR(*trial.find("final_loss_difference")->low, -0.035 - half, 1e-9);
  EXPECT_NEAR(*trial.find("final_loss_difference")->high, -0.035 + half, 1e-9);
  EXPECT_NEAR(trial.value("final_loss_difference_shared_rate"), -0.07, 1e-9);
  EXPECT_NEAR(trial.value("final_loss_difference_baseline_again"), 0, 1e-9);
  EXPECT_TRUE(trial.notes("within the margin of 0.02")) << trial.all_notes();
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
}

TEST(ConvergenceSpeedup, IsInconclusiveWithoutTheArmOrBelowScale) {
  auto results = falling(0.0125);
  results.own_rate["head_rms_norm"].pop_back();  // fewer seeds than the baseline: not reported
  const auto without = judged("convergence_speedup", results);
  EXPECT_EQ(without.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(without.judgement.reason.find("trains no head_rms_norm"), std::string::npos);
  EXPECT_EQ(without.find("final_loss_difference"), nullptr);
  auto small = falling(0.0125);
  small.sequences = 1;
  const auto below = judged("convergence_speedup", small);
  EXPECT_EQ(below.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(below.judgement.reason.find("tokens_per_parameter"), std::string::npos) << below.judgement.reason;
  const auto nothing = judged("convergence_speedup", results_for(small_model()->config));
  EXPECT_NE(nothing.judgement.reason.find("trains no baseline"), std::string::npos);
}

TEST(ConvergenceSpeedup, HasNoNumberWhereARunDiverged) {
  auto results = falling(0.0125);
  auto& diverged = results.own_rate["head_rms_norm"][1];
  diverged.stopped = "the loss was no number at step 40";
  diverged.curve.resize(5);
  const auto trial = judged("convergence_speedup", results);
  EXPECT_TRUE(std::isnan(trial.value("final_loss_difference")));
  EXPECT_TRUE(std::isnan(trial.value("tokens_to_baseline_loss_ratio")));
  EXPECT_FALSE(trial.find("final_loss_difference")->low);
  EXPECT_TRUE(trial.notes("Seed 2 of head_rms_norm did not reach its end: the loss was no number at step 40."))
      << trial.all_notes();
  const auto& curve = trial.series("validation_loss", "head_rms_norm");
  EXPECT_FALSE(std::isnan(curve.y[4]));
  EXPECT_TRUE(std::isnan(curve.y[5]));
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive) << trial.judgement.reason;
}

TEST(ConvergenceSpeedup, HasNoIntervalWithOneSeed) {
  auto results = falling(0.0125);
  for (auto& [arm, runs] : results.own_rate) runs.resize(1);
  const auto trial = judged("convergence_speedup", results);
  EXPECT_NEAR(trial.value("final_loss_difference"), -0.25, 1e-9);
  EXPECT_FALSE(trial.find("final_loss_difference")->low);
  EXPECT_TRUE(trial.series("validation_loss", "baseline").low.empty());
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
}

TEST(ConvergenceSpeedup, SaysWhenTheBestRateIsTheEdge) {
  auto results = falling(0.0125);
  results.rates["baseline"] = {{0.001, 4}, {0.003, 3.5}, {0.01, kNaN}};
  results.rates["head_rms_norm"] = {{0.001, 4}, {0.003, 3.5}};
  const auto trial = judged("convergence_speedup", results);
  EXPECT_FALSE(trial.notes("best learning rate of baseline"));
  EXPECT_TRUE(trial.notes("best learning rate of head_rms_norm, 0.003, is the highest")) << trial.all_notes();
  EXPECT_EQ(trial.series("rate_sweep", "baseline").y[1], 3.5);
  EXPECT_EQ(trial.value("learning_rate_baseline"), 0.003);
}

// ---- sink_mitigation --------------------------------------------------------------------------------

/// The baseline got its sink in training; the arm is the same model without the write after it.
TrainingResults planted_results() {
  auto results = results_for(planted_config());
  results.own_rate["baseline"] = seeds_of_models("baseline", [](uint64_t seed) {
    return Models{planted_model(0, seed), planted_model(1, seed)};
  });
  results.own_rate["head_rms_norm"] = seeds_of_models("head_rms_norm", [](uint64_t seed) {
    return Models{planted_model(0, seed), planted_model(0, seed)};
  });
  return results;
}

const std::vector<std::string> kFewSequences = {"survey.sequences=8", "validation.sequences=8",
                                                "over_training.sequences=4"};

TEST(SinkMitigation, MeasuresTheRemovalOfAPlantedSink) {
  const auto trial = judged("sink_mitigation", planted_results(), kFewSequences);
  EXPECT_TRUE(trial.notes("Sink layers of the baseline: 3, 4, 5, 6.")) << trial.all_notes();
  EXPECT_GT(trial.value("excess_attention_reduction"), 0.9);
  EXPECT_GT(trial.value("dominance_reduction"), 0.8);
  EXPECT_GT(trial.value("excess_attention_baseline"), 0.5);
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.series("excess_attention", "baseline").x.size(), 6U);
  const auto& along = trial.series("max_excess_attention", "baseline");
  EXPECT_EQ(along.x, (std::vector<double>{0, 640000}));
  EXPECT_LT(along.y[0], 0.1);
  EXPECT_GT(along.y[1], 0.5);
}

TEST(SinkMitigation, SeesNothingRemovedFromAModelThatIsTheSame) {
  auto results = planted_results();
  results.own_rate["head_rms_norm"] = results.own_rate["baseline"];
  const auto trial = judged("sink_mitigation", results, kFewSequences);
  EXPECT_EQ(trial.value("excess_attention_reduction"), 0);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
}

TEST(SinkMitigation, IsInconclusiveWithoutASinkOrWithoutTheArm) {
  auto results = planted_results();
  std::swap(results.own_rate["baseline"], results.own_rate["head_rms_norm"]);
  const auto none = judged("sink_mitigation", results, kFewSequences);
  EXPECT_EQ(none.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(none.judgement.reason.find("the baseline has no sink at this scale: largest excess attention"),
            std::string::npos)
      << none.judgement.reason;
  EXPECT_EQ(none.series("excess_attention", "head_rms_norm").y.size(), 6U);
  auto alone = planted_results();
  alone.own_rate.erase("head_rms_norm");
  const auto without = judged("sink_mitigation", alone, kFewSequences);
  EXPECT_EQ(without.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(without.judgement.reason.find("trains no head_rms_norm"), std::string::npos);
}

TEST(SinkMitigation, HasNoNumberWhereARunDiverged) {
  auto results = planted_results();
  results.own_rate["head_rms_norm"][2].stopped = "diverged";
  const auto trial = judged("sink_mitigation", results, kFewSequences);
  EXPECT_TRUE(std::isnan(trial.value("excess_attention_reduction")));
  EXPECT_TRUE(trial.notes("Seed 3 of head_rms_norm did not reach its end: diverged.")) << trial.all_notes();
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive) << trial.judgement.reason;
}

/// Every score is 0, so that every visible key gets sigmoid(bias).
class BlindWeights : public WeightSource {
 public:
  explicit BlindWeights(const ModelConfig& config) : inner_(random_weights(config, 1, at::kCPU)) {}
  BlockWeights block(int64_t layer) const override {
    auto weights = inner_->block(layer);
    weights.query = at::zeros_like(weights.query);
    return weights;
  }
  Tensor embed(const Tensor& ids) const override { return inner_->embed(ids); }
  Tensor final_norm() const override { return inner_->final_norm(); }
  Tensor head() const override { return inner_->head(); }

 private:
  std::shared_ptr<WeightSource> inner_;
};

TEST(SinkMitigation, JudgesSigmoidAttentionRelativeToItsRows) {
  auto results = planted_results();
  auto config = planted_config();
  config.sigmoid_bias = -9;  // sigmoid: 1.2e-4, so that rows of fewer than 9 keys attend to less than 1e-3 in all
  const auto blind = std::make_shared<const Model>(Model{"blind", config, std::make_shared<BlindWeights>(config)});
  results.own_rate["sigmoid_attention"] = seeds_of_models("sigmoid_attention", [&](uint64_t) {
    return Models{blind, blind};
  });
  const auto trial = judged("sink_mitigation", results, kFewSequences);
  const double each = 1 / (1 + std::exp(9.0));
  double proxy = 0;
  for (int64_t q = 8; q < 64; ++q) proxy += 1.0 / static_cast<double>(q + 1) / (64 - 8);
  EXPECT_NEAR(trial.series("attention_to_first_raw", "sigmoid_attention").y[0], each, 1e-8);
  EXPECT_NEAR(trial.series("attention_to_first", "sigmoid_attention").y[0], proxy, 1e-6);
  EXPECT_NEAR(trial.series("excess_attention", "sigmoid_attention").y[0], 0, 1e-6);
  EXPECT_NEAR(trial.value("excess_attention_reduction_sigmoid_attention"), 1, 1e-5);
  EXPECT_NEAR(trial.value("rows_kept_sigmoid_attention"), 56.0 / 63, 1e-12);
}

// ---- rank_preservation ------------------------------------------------------------------------------

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

TEST(RankPreservation, SeesTheRankThatASpikeTakes) {
  const auto trial = judged("rank_preservation", planted_results(), {"validation.sequences=8"});
  EXPECT_GT(trial.value("effective_rank_difference"), 1);
  EXPECT_LT(trial.value("effective_rank_baseline"), trial.value("effective_rank_head_rms_norm"));
  EXPECT_EQ(trial.find("effective_rank_drop_baseline")->where.at("layer"), kPlantedSpike);
  EXPECT_GT(trial.value("effective_rank_drop_baseline"), trial.value("effective_rank_drop_head_rms_norm") + 0.2);
  EXPECT_EQ(trial.series("effective_rank", "baseline").y.size(), 6U);
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
}

TEST(RankPreservation, RefusesTooFewTokensAndNeedsItsArm) {
  expect_error([] { judged("rank_preservation", planted_results(), {"validation.sequences=2"}); }, "needs 128 tokens");
  auto alone = planted_results();
  alone.own_rate.erase("head_rms_norm");
  EXPECT_EQ(judged("rank_preservation", alone, {"validation.sequences=8"}).judgement.verdict, Verdict::inconclusive);
}

// ---- gated_attention --------------------------------------------------------------------------------

/// Plain attention when `gate` is 0: all gates half open. Otherwise gates follow the input that strongly.
class GatedWeights : public WeightSource {
 public:
  GatedWeights(const ModelConfig& config, uint64_t seed, double gate)
      : inner_(random_weights(config, seed, at::kCPU)), gate_(gate) {}
  BlockWeights block(int64_t layer) const override {
    auto weights = inner_->block(layer);
    weights.output_gate = gate_ * weights.output_gate;
    return weights;
  }
  Tensor embed(const Tensor& ids) const override { return inner_->embed(ids); }
  Tensor final_norm() const override { return inner_->final_norm(); }
  Tensor head() const override { return inner_->head(); }

 private:
  std::shared_ptr<WeightSource> inner_;
  double gate_;
};

std::shared_ptr<const Model> gated_model(uint64_t seed, double gate) {
  auto config = small_model()->config;
  config.output_gate = true;
  return std::make_shared<const Model>(Model{"gated", config, std::make_shared<GatedWeights>(config, seed, gate)});
}

/// Gates that were half open and follow their inputs in the end.
TrainingResults gated_results() {
  auto results = results_for(small_model()->config);
  results.own_rate["baseline"] = seeds_of_models("baseline", [](uint64_t seed) {
    return Models{small_model(seed), small_model(seed + 10)};
  });
  results.own_rate["gated_attention"] = seeds_of_models("gated_attention", [](uint64_t seed) {
    return Models{gated_model(seed, 0), gated_model(seed, 50)};
  });
  return results;
}

TEST(GatedAttention, ComparesWhatTrainingChangedBehindTheGate) {
  const auto trial = judged("gated_attention", gated_results(), {"random.sequences=16"});
  const auto ratio = [&](const std::string& of) { return trial.value("variance_ratio_first_to_rest_" + of); };
  EXPECT_NEAR(trial.value("variance_ratio_difference"),
              ratio("gated_attention") - ratio("gated_attention_null") - ratio("baseline") + ratio("baseline_null"),
              1e-9);
  EXPECT_EQ(trial.find("variance_ratio_difference")->where.at("layer"), 1);
  EXPECT_EQ(trial.find("variance_ratio_difference")->inputs, "random");
  // Half open gates leave a quarter of the variance everywhere.
  const auto& before = trial.series("variance_by_position_before_null", "gated_attention");
  const auto& after = trial.series("variance_by_position_null", "gated_attention");
  for (size_t i = 0; i < before.y.size(); ++i) EXPECT_NEAR(after.y[i] / before.y[i], 0.25, 1e-5);
  EXPECT_GT(ratio("baseline"), 3);  // by arithmetic, without any training
  EXPECT_NE(trial.value("variance_ratio_before_gated_attention"), ratio("gated_attention"));
  EXPECT_NO_THROW(trial.series("variance_by_position_layer2", "baseline"));
}

TEST(GatedAttention, IsInconclusiveWithoutTheArm) {
  auto results = results_for(small_model()->config);
  results.own_rate["baseline"] = seeds_of_models("baseline", [](uint64_t seed) {
    return Models{small_model(seed), small_model(seed)};
  });
  const auto trial = judged("gated_attention", results, {"random.sequences=8"});
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(trial.judgement.reason.find("trains no gated_attention"), std::string::npos);
}

// ---- emergence --------------------------------------------------------------------------------------

TEST(Emergence, FindsWhatAppearsWhen) {
  auto results = results_for(planted_config());
  results.own_rate["baseline"] = seeds_of_models("baseline", [](uint64_t seed) {
    const auto fresh = std::make_shared<const Model>(
        Model{"fresh", planted_config(), random_weights(planted_config(), seed, at::kCPU)});
    return Models{fresh, planted_model(0, seed), planted_model(1, seed)};  // the neuron is there before it writes
  });
  const auto trial = judged("emergence", results, {"validation.sequences=8"});
  EXPECT_EQ(trial.value("tokens_until_selective_neuron"), results.tokens(50));
  EXPECT_EQ(trial.value("tokens_until_spike"), results.tokens(100));
  EXPECT_EQ(trial.value("tokens_until_sink"), results.tokens(100));
  EXPECT_EQ(trial.value("seeds_with_sink"), 4);
  // The rank falls with the neuron already: layer 1 then writes a direction that all positions share.
  EXPECT_TRUE(
      trial.notes("In baseline first the selective neuron (0.32 million tokens), then the drop of rank "
                  "(0.32 million tokens), then the spike (0.64 million tokens), then the sink (0.64"))
      << trial.all_notes();
  EXPECT_EQ(trial.series("largest_selectivity", "baseline").y.size(), 3U);
  EXPECT_EQ(trial.find("early_selectivity_predicts_sink")->where.at("step"), 50);
  EXPECT_EQ(trial.judgement.verdict, Verdict::descriptive);
}

TEST(Emergence, SaysWhatNeverAppears) {
  auto results = planted_results();
  std::swap(results.own_rate["baseline"], results.own_rate["head_rms_norm"]);
  const auto trial = judged("emergence", results, {"validation.sequences=8"});
  EXPECT_EQ(trial.value("seeds_with_sink"), 0);
  EXPECT_EQ(trial.find("tokens_until_sink"), nullptr);
  EXPECT_TRUE(trial.notes("; never the spike, the sink")) << trial.all_notes();
  EXPECT_EQ(trial.value("seeds_with_sink_head_rms_norm"), 4);
}

// ---- all of them ------------------------------------------------------------------------------------

struct MadeUp {
  TrainingResults results;
  std::vector<std::string> changes;
};

TEST(JudgedMetrics, HaveNotMovedOnMadeUpTraining) {
  const OneThread one;
  const std::map<std::string, MadeUp> made_up = {{"convergence_speedup", {gaining(), {}}},
                                                 {"sink_mitigation", {planted_results(), kFewSequences}},
                                                 {"rank_preservation", {planted_results(), {"validation.sequences=8"}}},
                                                 {"gated_attention", {gated_results(), {"random.sequences=16"}}}};
  GoldenMetrics metrics;
  for (const auto& [claim, procedures] : claim_registry()) {
    if (!procedures.trains || claim == "emergence") continue;  // emergence judges nothing
    ASSERT_TRUE(made_up.contains(claim)) << claim;
    const auto trial = judged(claim, made_up.at(claim).results, made_up.at(claim).changes);
    add_judged(metrics, "made_up", claim, trial.judging, trial.measurement, trial.judgement);
  }
  expect_golden_metrics("training_claims.json", metrics);
}

// ---- Texts for a study ------------------------------------------------------------------------------

TEST(MakeStudy, RefusesTokensThatWereChangedSince) {
  const TemporaryFolder folder;
  folder.write("assets/tokenizers/prose-bpe-4096/tokenizer.json", byte_tokenizer_json().dump());
  for (const auto* name : {"assets/prose/one.txt", "assets/prose/two.txt"})
    folder.write(name, std::string(200, 'a') + name);
  const auto settings = resolve(load_settings({std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs",
                                               "",
                                               "cpu",
                                               "smollm2-null",
                                               "",
                                               {"training.data=prose", "training.vocabulary=257", "training.length=16"},
                                               std::nullopt}));
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
