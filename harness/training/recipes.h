#pragma once

// From settings to the runs of a study.

#include "harness/record/settings/parameters.h"
#include "models/training/trainer.h"

namespace replicate {

/// Where training looks at itself and what it leaves behind.
struct RunPlan {
  int64_t validation_sequences = 0;
  int64_t validate_every = 0;  ///< steps
  std::vector<int64_t> keep;   ///< steps whose weights are kept, ascending; the first is 0, the last the last
  double checkpoint_seconds = 0;
  int64_t threads = 1;  ///< on a processor: small models train fastest on one, and alike on any machine
};

/// The training settings with their types, checked against each other.
class Recipes {
 public:
  /// For runs on `device`. Error when a value is absurd or two do not fit together.
  Recipes(const Parameters& settings, uint64_t seed, at::Device device);

  /// The run of an arm ("baseline_again" too) with its i-th seed.
  Recipe run(const std::string& arm, int64_t index, double rate) const;
  /// The shorter run that tries a rate, with a seed that no other run has.
  Recipe trial(const std::string& arm, double rate) const;

  const std::vector<double>& rates() const { return rates_; }  ///< ascending
  int64_t seeds(const std::string& arm) const;
  const RunPlan& plan() const { return plan_; }
  RunPlan trial_plan() const;  ///< looks and keeps at the end only

  const Recipe& baseline() const { return baseline_; }
  int64_t length() const { return length_; }
  bool bos() const { return bos_; }
  bool shared_rate() const { return shared_rate_; }
  double lowest_known_loss() const { return lowest_known_loss_; }  ///< decides no run; 0 where none is known
  const std::string& data() const { return data_; }
  std::string triggers() const { return settings_.text("triggers"); }
  std::string tokenizer() const { return settings_.text("tokenizer"); }

 private:
  void check() const;

  Parameters settings_;
  uint64_t seed_;
  Recipe baseline_;
  RunPlan plan_;
  std::vector<double> rates_;
  std::string data_;
  int64_t length_ = 0, rate_steps_ = 0;
  double lowest_known_loss_ = 0;
  bool bos_ = false, shared_rate_ = false;
};

}  // namespace replicate
