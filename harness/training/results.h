#pragma once

// What training left behind, as the training claims read it: plain data.

#include "harness/inputs/inputs.h"
#include "harness/training/curve.h"
#include "models/core/executor.h"
#include "models/training/trainer.h"

namespace replicate {

/// The weights of a run after so many steps.
struct TrainedModel {
  int64_t step = 0;
  std::shared_ptr<const Model> model;
};

/// One training run.
struct TrainedRun {
  std::string arm;  ///< of the study: "baseline_again" has the recipe of the baseline and other initial weights
  Recipe recipe;
  std::vector<CurvePoint> curve;     ///< from step 0 to the last one, evenly spaced
  std::vector<TrainedModel> models;  ///< from step 0 (the run's own null model) to the last one
  std::string stopped;               ///< why it ended before its last step (diverged); empty: it did not

  const TrainedModel& first() const { return models.front(); }
  const TrainedModel& last() const { return models.back(); }
  double final_loss() const { return curve.back().validation_loss; }
};

/// What one learning rate gave an arm before the seeds ran.
struct RateTrial {
  double learning_rate = 0;
  double validation_loss = 0;  ///< NaN when it diverged
};

/// Everything that was trained for one profile.
struct TrainingResults {
  std::map<std::string, std::vector<TrainedRun>>
      own_rate;  ///< by arm, one run a seed in the same order, each arm at its best rate
  std::map<std::string, std::vector<TrainedRun>> shared_rate;  ///< the same at the baseline's best rate
  std::map<std::string, std::vector<RateTrial>> rates;         ///< by arm, in ascending order of rates
  ModelConfig config;                                          ///< of the baseline
  int64_t length = 0;                                          ///< T of training
  int64_t sequences = 0;                                       ///< B of one step
  int64_t steps = 0;                                           ///< of a whole run
  int64_t decay_steps = 0;                                     ///< the last so many of them lower the rate
  bool bos = false;
  double lowest_known_loss = 0;  ///< that any model of any size reached on this data; 0 where none is known

  /// Sequences [n, T] of the validation text, as the models saw them in training (with BOS where they had it). The
  /// survey's are never among the measured ones.
  std::function<Tokens(int64_t sequences, Region region)> validation;
  /// Uniform ordinary ids [n, T].
  std::function<Tokens(int64_t sequences, bool bos)> random;

  double tokens(int64_t step) const { return static_cast<double>(step * sequences * length); }
};

}  // namespace replicate
