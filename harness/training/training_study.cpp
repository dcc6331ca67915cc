#include "harness/training/training_study.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/number_text.h"
#include "base/sha256.h"
#include "base/statistics.h"
#include "base/stopwatch.h"
#include "harness/training/throughput.h"

namespace replicate {
namespace {

constexpr int64_t kTimedTokens = 1024;
constexpr double kLongStep = 3;  // seconds, of which starting up is a small part

/// The arm whose rate a comparison of the baseline with itself uses is the baseline.
std::string rate_arm(const std::string& arm) { return arm == kBaselineAgain ? kBaseline : arm; }

}  // namespace

TrainingStudy::TrainingStudy(const Recipes& recipes, std::shared_ptr<const TrainingData> data,
                             std::filesystem::path runs, at::Device device)
    : recipes_(recipes), data_(std::move(data)), runs_(std::move(runs)), device_(device) {
  const auto& baseline = recipes_.baseline();
  results_.config = baseline.model;
  results_.length = recipes_.length();
  results_.sequences = baseline.sequences;
  results_.steps = baseline.schedule.steps;
  results_.decay_steps = baseline.schedule.decay;
  results_.bos = recipes_.bos();
  results_.lowest_known_loss = recipes_.lowest_known_loss();
  if (device_.is_cpu()) workers_ = std::max<int64_t>(1, at::get_num_threads() / recipes_.plan().threads);
  results_.validation = [this](int64_t sequences, Region region) { return validation(sequences, region); };
  results_.random = [this](int64_t sequences, bool bos) { return random(sequences, bos); };
}

// --- What the trained models are looked at with -------------------------------------------------------------

/// The survey's sequences come from the first half of the validation text, the measured ones from the second.
Tokens TrainingStudy::validation(int64_t sequences, Region region) const {
  const auto half = data_->validation_size() / 2;
  if (sequences > half) {
    throw Error("half of the validation text has " + std::to_string(half) + " sequences, " + std::to_string(sequences) +
                    " are needed",
                "training", "ask for fewer, or train on more text");
  }
  const auto first = region == Region::survey ? 0 : half;
  return make_tokens(data_->validation(first, sequences).inputs, "validation", "validation", recipes_.bos(),
                     name_of(region));
}

Tokens TrainingStudy::random(int64_t sequences, bool bos) const {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(derive_seed(recipes_.baseline().model.vocabulary, "training/random"));
  const auto token = data_->bos_token();
  TORCH_CHECK(!bos || token, "there is no BOS to begin with");
  // The vocabulary's only special token, if any, is its first.
  auto ids = at::randint(token ? 1 : 0, data_->vocabulary(), {sequences, data_->length()}, generator, at::kLong);
  if (bos) ids.select(1, 0).fill_(*token);
  return make_tokens(ids, "random", "random", bos);
}

// --- Training -----------------------------------------------------------------------------------------------

std::string TrainingStudy::fingerprint() const {
  std::string all =
      data_->fingerprint() + "\nlowest known loss " + significant_text(recipes_.lowest_known_loss(), 17) + "\n";
  for (const auto& arm : arm_names()) {
    all +=
        std::to_string(recipes_.seeds(arm)) + " " + run_of(arm, 0, recipes_.rates().front()).folder().string() + "\n";
    for (const auto rate : recipes_.rates()) all += trial_of(arm, rate).folder().string() + "\n";
  }
  return sha256_hex(std::as_bytes(std::span(all)));
}

TrainingRun TrainingStudy::run_of(const std::string& arm, int64_t index, double rate) const {
  return made(arm, recipes_.run(arm, index, rate), recipes_.plan());
}

TrainingRun TrainingStudy::trial_of(const std::string& arm, double rate) const {
  return made(arm + "-rate", recipes_.trial(arm, rate), recipes_.trial_plan());
}

TrainingRun TrainingStudy::made(const std::string& name, const Recipe& recipe, const RunPlan& plan) const {
  return {name, recipe, plan, data_, runs_ / TrainingRun::folder_name(name, recipe, plan, *data_, device_), device_};
}

/// The arms that have seeds in this profile, each once, the baseline first.
std::vector<std::string> TrainingStudy::trained(const std::vector<std::string>& arms) const {
  std::vector<std::string> wanted = {kBaseline};
  for (const auto& arm : arms) {
    if (std::find(wanted.begin(), wanted.end(), arm) == wanted.end()) wanted.push_back(arm);
  }
  std::erase_if(wanted, [&](const std::string& arm) { return recipes_.seeds(arm) == 0; });
  return wanted;
}

/// Trains the runs that are not done. False when the person interrupted it.
bool TrainingStudy::finish(std::vector<TrainingRun>& runs, const std::string& stage) {
  std::vector<TrainingRun*> open;
  double steps = 0;
  for (auto& run : runs) {
    if (run.done()) continue;
    open.push_back(&run);
    steps += static_cast<double>(run.steps_left());
  }
  if (open.empty()) return true;
  progress_->begin(stage, steps * results_.tokens(1));
  const bool whole = train_side_by_side(open);
  progress_->end();
  return whole;
}

/// In their order, as many at a time as there are workers. What one of them throws stops the others.
bool TrainingStudy::train_side_by_side(const std::vector<TrainingRun*>& runs) {
  std::mutex mutex;
  std::exception_ptr failure;
  std::atomic<size_t> next{0};
  std::atomic<bool> stop{false};
  const auto steps_done = [&](int64_t steps) {
    const std::lock_guard lock(mutex);
    progress_->advance(results_.tokens(steps));
    return !interrupted() && !stop;
  };
  const auto work = [&] {
    try {
      for (size_t i = next++; i < runs.size() && !stop; i = next++) {
        if (!runs[i]->train(steps_done)) stop = true;
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      stop = true;
    }
  };
  {
    std::vector<std::jthread> workers;
    const auto count = std::min(static_cast<size_t>(workers_), runs.size());
    for (size_t i = 0; i < count; ++i) workers.emplace_back(work);
  }
  if (failure) std::rethrow_exception(failure);
  return !stop;
}

/// Of an arm's first run; runs side by side share memory and caches.
void TrainingStudy::log_throughput() const {
  const auto peak = peak_of(device_, recipes_.baseline().bfloat16, recipes_.plan().threads);
  for (const auto& [arm, runs] : results_.own_rate) {
    if (!runs.empty()) log_info("training " + arm + ": " + throughput(runs.front(), results_.length, peak));
  }
}

bool TrainingStudy::try_rates(const std::vector<std::string>& arms) {
  std::vector<TrainingRun> trials;
  for (const auto& arm : arms) {
    if (arm != rate_arm(arm)) continue;
    for (const auto rate : recipes_.rates()) trials.push_back(trial_of(arm, rate));
  }
  if (!finish(trials, "training, learning rates")) return false;
  auto trial = trials.cbegin();
  for (const auto& arm : arms) {
    if (arm != rate_arm(arm)) continue;
    auto& tried = results_.rates[arm];
    tried.clear();
    for (const auto rate : recipes_.rates()) {
      const auto run = (trial++)->result();
      tried.push_back({rate, run.stopped.empty() ? run.final_loss() : NAN});
    }
  }
  return true;
}

/// The rate of the lowest loss; the lowest rate when all diverged.
double TrainingStudy::best_rate(const std::string& arm) const {
  const auto& trials = results_.rates.at(rate_arm(arm));
  const auto best = std::min_element(trials.begin(), trials.end(), [](const RateTrial& a, const RateTrial& b) {
    return std::isnan(b.validation_loss) ? !std::isnan(a.validation_loss) : a.validation_loss < b.validation_loss;
  });
  return best->learning_rate;
}

/// Seed by seed and not arm by arm, so that what an interrupted study has is of use: pairs.
bool TrainingStudy::train_seeds(const std::vector<std::string>& arms, const std::map<std::string, double>& rates,
                                std::map<std::string, std::vector<TrainedRun>>& results, const std::string& stage) {
  std::vector<std::string> names;
  std::vector<TrainingRun> runs;
  int64_t most = 0;
  for (const auto& arm : arms) most = std::max(most, recipes_.seeds(arm));
  for (int64_t i = 0; i < most; ++i) {
    for (const auto& arm : arms) {
      if (i >= recipes_.seeds(arm)) continue;
      names.push_back(arm);
      runs.push_back(run_of(arm, i, rates.at(arm)));
    }
  }
  if (!finish(runs, stage)) return false;
  for (const auto& arm : arms) results[arm].clear();
  for (size_t i = 0; i < runs.size(); ++i) results[names[i]].push_back(runs[i].result());
  return true;
}

bool TrainingStudy::train(const std::vector<std::string>& arms, Progress& progress) {
  progress_ = &progress;
  const auto all = trained(arms);
  if (!try_rates(all)) return false;
  std::map<std::string, double> own, shared;
  for (const auto& arm : all) {
    own[arm] = best_rate(arm);
    shared[arm] = best_rate(kBaseline);
  }
  if (!train_seeds(all, own, results_.own_rate, "training, seeds")) return false;
  log_throughput();
  return !recipes_.shared_rate() || train_seeds(all, shared, results_.shared_rate, "training, seeds at one rate");
}

int64_t TrainingStudy::steps_left(const std::vector<std::string>& arms) const {
  int64_t left = 0;
  for (const auto& arm : trained(arms)) {
    for (const auto rate : recipes_.rates()) {
      if (arm == rate_arm(arm)) left += trial_of(arm, rate).steps_left();
    }
    const auto runs = recipes_.shared_rate() && rate_arm(arm) != kBaseline ? 2 : 1;
    left += runs * recipes_.seeds(arm) * results_.steps;
  }
  return left;
}

double TrainingStudy::step_flops() const { return replicate::step_flops(recipes_.baseline(), results_.length); }

/// A part of the step's batch where that is large: time grows with it.
double TrainingStudy::measured_step_seconds() const {
  const ThreadsOfARun guard(recipes_.plan().threads);
  auto recipe = recipes_.run(kBaseline, 0, recipes_.rates().front());
  recipe.sequences = std::clamp<int64_t>(kTimedTokens / results_.length, 1, recipe.sequences);
  recipe.accumulate = 1;
  Trainer trainer(recipe, data_, device_);
  const auto timed = [&] {
    const Stopwatch watch;
    trainer.step();
    trainer.report();  // waits for the device
    return watch.seconds();
  };
  auto seconds = timed();
  if (seconds < kLongStep) seconds = timed();  // the first one starts threads and touches memory
  const auto step = seconds * static_cast<double>(results_.sequences) / static_cast<double>(recipe.sequences);
  return step / static_cast<double>(workers_);
}

}  // namespace replicate
