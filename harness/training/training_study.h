#pragma once

#include "base/progress.h"
#include "harness/training/training_run.h"

namespace replicate {

/// All runs that the training claims of a profile need: the learning rates of all arms, then the seeds at the best of
/// them. On a processor as many runs go side by side as it has threads for. Runs are kept in a folder that other runs
/// of the program share, so that what is trained once is trained.
class TrainingStudy {
 public:
  TrainingStudy(const TrainingStudy&) = delete;  // results() hold functions of it
  TrainingStudy& operator=(const TrainingStudy&) = delete;
  /// `runs`: the shared folder. Error when settings or data do not fit.
  TrainingStudy(const Recipes& recipes, std::shared_ptr<const TrainingData> data, std::filesystem::path runs,
                at::Device device);

  /// Trains what is not there yet, the baseline first, then its rivals in the given order. False
  /// when the person interrupted it; what is done is kept.
  bool train(const std::vector<std::string>& arms, Progress& progress);

  const TrainingResults& results() const { return results_; }

  /// Optimiser steps still to be taken for these arms; of a shared rate that is not known yet, as if all differed.
  int64_t steps_left(const std::vector<std::string>& arms) const;

  /// Seconds that a step takes here, all runs that go side by side taken together, from one that is thrown away.
  double measured_step_seconds() const;

  double step_flops() const;  ///< of the baseline

  std::string fingerprint() const;  ///< of everything that decides the results

 private:
  TrainingRun run_of(const std::string& arm, int64_t index, double rate) const;
  TrainingRun made(const std::string& name, const Recipe& recipe, const RunPlan& plan) const;
  TrainingRun trial_of(const std::string& arm, double rate) const;
  bool finish(std::vector<TrainingRun>& runs, const std::string& stage);
  bool train_side_by_side(const std::vector<TrainingRun*>& runs);
  void log_throughput() const;
  bool try_rates(const std::vector<std::string>& arms);
  bool train_seeds(const std::vector<std::string>& arms, const std::map<std::string, double>& rates,
                   std::map<std::string, std::vector<TrainedRun>>& results, const std::string& stage);
  double best_rate(const std::string& arm) const;
  std::vector<std::string> trained(const std::vector<std::string>& arms) const;

  Tokens validation(int64_t sequences, Region region) const;
  Tokens random(int64_t sequences, bool bos) const;

  Recipes recipes_;
  std::shared_ptr<const TrainingData> data_;
  std::filesystem::path runs_;
  at::Device device_;
  TrainingResults results_;
  int64_t workers_ = 1;  ///< runs side by side
  Progress* progress_ = nullptr;
};

}  // namespace replicate
