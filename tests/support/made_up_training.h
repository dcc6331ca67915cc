#pragma once

// Training that never took place: curves made up so that every number is known, and models whose sink was written by
// hand or is not there.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "harness/record/verdict.h"
#include "harness/study/claim.h"
#include "models/training/arm.h"
#include "tests/support/planted_model.h"
#include "tests/support/small_model.h"
#include "tests/support/special_numbers.h"

namespace replicate {

inline constexpr int64_t kEvery = 10, kSteps = 100, kDecay = 20;
inline constexpr uint64_t kSeeds = 10;  // as registered

using Models = std::vector<std::shared_ptr<const Model>>;

/// A run whose validation loss at step s is loss(s), its train loss 0.1 below; `models` were kept evenly.
inline TrainedRun run_of(const std::string& arm, const std::function<double(int64_t)>& loss,
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

/// A run per seed; loss(seed, step), where seeds count from 1.
inline std::vector<TrainedRun> runs_with_loss(const std::string& arm,
                                              const std::function<double(uint64_t, int64_t)>& loss,
                                              uint64_t seeds = kSeeds) {
  std::vector<TrainedRun> runs;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    runs.push_back(run_of(arm, [&](int64_t step) { return loss(seed, step); }));
  }
  return runs;
}

/// A run per seed; its models were kept evenly.
inline std::vector<TrainedRun> runs_with_models(const std::string& arm, const std::function<Models(uint64_t)>& models,
                                                uint64_t seeds = kSeeds) {
  std::vector<TrainedRun> runs;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    runs.push_back(run_of(
        arm, [](int64_t) { return 1.0; }, models(seed)));
  }
  return runs;
}

/// A learning rate inside the grid is the best; no run's loss is as high.
inline const std::vector<RateTrial> kRateInside = {{0.001, 1000}, {0.003, 999}, {0.01, kNaN}};

/// Nothing trained yet; every arm's best rate is inside the grid.
inline TrainingResults results_for(const ModelConfig& config) {
  TrainingResults results;
  results.config = config;
  for (const auto& arm : arm_names()) results.rates[arm] = kRateInside;
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
inline TrainingTrial judged(const std::string& claim, const TrainingResults& results,
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
  if (!measurement.unmet && !measurement.inapplicable) {  // else the claim ended before it read them all
    EXPECT_EQ(settings.parameters.unread(), std::vector<std::string>{});
  }
  auto judgement = judge(measurement, settings.judging);
  return {std::move(measurement), std::move(judgement), settings.judging};
}

/// The baseline got its sink in training; the arm is the same model without the write after it.
inline TrainingResults planted_training(const std::string& arm = kHeadRmsNorm, uint64_t seeds = kSeeds) {
  auto results = results_for(planted_config());
  const auto trained_to = [](double strength) {
    return [=](uint64_t seed) { return Models{planted_model(0, seed), planted_model(strength, seed)}; };
  };
  results.own_rate[kBaseline] = runs_with_models(kBaseline, trained_to(1), seeds);
  results.own_rate[arm] = runs_with_models(arm, trained_to(0), seeds);
  results.lowest_known_loss = 0.9;
  return results;
}

/// Three arms with a planted sink each, so that all is measured.
inline TrainingResults three_arms() {
  auto results = planted_training();
  results.own_rate[kConstantGain] = results.own_rate[kBaseline];
  return results;
}

/// What the decay of the rate gives to every arm.
inline double decayed(int64_t step) { return step > kSteps - kDecay ? 0.5 : 0; }

/// A run per seed whose loss falls by `slope` per step; each seed has its own offset, which pairing takes away.
inline std::vector<TrainedRun> falling_runs(const std::string& arm, double slope, double shift = 0) {
  return runs_with_loss(arm, [=](uint64_t seed, int64_t step) {
    return 5 + 0.01 * static_cast<double>(seed) - slope * static_cast<double>(step) - decayed(step) - shift;
  });
}

/// The baseline's loss falls by 0.01 per step, the arm's by 0.0125, or as given.
inline TrainingResults faster_training(double slope = 0.0125) {
  auto results = results_for(small_model()->config);
  results.own_rate[kBaseline] = falling_runs(kBaseline, 0.01);
  results.own_rate[kHeadRmsNorm] = falling_runs(kHeadRmsNorm, slope);
  results.lowest_known_loss = 3;
  return results;
}

/// Every second of 24 seeds ends with a sink, and those alone have a selective neuron half-way.
inline TrainingResults foreseen_training(uint64_t seeds = 24) {
  auto results = results_for(planted_config());
  results.own_rate[kBaseline] = runs_with_models(
      kBaseline,
      [](uint64_t seed) {
        const auto fresh = std::make_shared<const Model>(
            Model{"fresh", planted_config(), random_weights(planted_config(), seed, at::kCPU)});
        if (seed % 2 == 0) return Models{fresh, fresh, fresh};
        return Models{fresh, planted_model(0, seed), planted_model(1, seed)};  // the neuron is there before it writes
      },
      seeds);
  return results;
}

/// The run of this seed (from 1) did not reach its end.
inline void stop(TrainingResults& results, const std::string& arm, uint64_t seed) {
  auto& run = results.own_rate.at(arm).at(seed - 1);
  run.stopped = "the loss was no number at step 40";
  run.curve.resize(5);
}

}  // namespace replicate
