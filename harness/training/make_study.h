#pragma once

#include "harness/training/training_study.h"
#include "models/training/arm.h"

namespace replicate {

/// The study that the training settings describe. Text is tokenised once, into a file below `runs`, which other runs
/// of the program share with its training runs. Error when settings are absurd, or a text or tokenizer is missing.
std::unique_ptr<TrainingStudy> make_study(const Parameters& settings, uint64_t seed,
                                          const std::filesystem::path& assets, const std::filesystem::path& runs,
                                          at::Device device);

/// The same for a text that need not be there: it can be timed and counted, not trained.
std::unique_ptr<TrainingStudy> make_study_to_time(const Parameters& settings, uint64_t seed,
                                                  const std::filesystem::path& runs, at::Device device);

/// What `replicate train` asks for.
struct TrainRequest {
  Parameters settings;
  uint64_t seed = 0;
  std::string arm = kBaseline;
  std::optional<double> rate;  ///< none: the middle one of training.rates
  std::filesystem::path assets, out;
  at::Device device = at::kCPU;
  bool resume = false;
  Ranks ranks = {};  ///< the processes that train together
};

enum class TrainOutcome { finished, interrupted, diverged };

/// One run of the recipe, in a folder of its own, with the seed of a study's first. The first rank alone knows whether
/// it diverged. Several ranks share the folder. Error when the folder is in use, or holds another run, or one to go on
/// with and `resume` is not set.
TrainOutcome train_one(const TrainRequest& request, Progress& progress);

/// What a record says of the models that a study trains.
ModelRecord model_record(const Parameters& settings, uint64_t seed, at::Device device);

}  // namespace replicate
