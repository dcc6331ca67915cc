#pragma once

#include <string>

#include "models/core/executor.h"

namespace replicate {

/// FLOP/s of this machine on the executor's own work: two layers of the model with a probe in them, timed.
double measured_rate(const Model& model, const ExecutorOptions& options);

/// What --dry-run prints: a line for each claim, and what all of it takes when passes are shared.
class CostTable {
 public:
  CostTable(const ExecutorOptions& options, double rate) : options_(options), rate_(rate) {}

  void add(const std::string& name, const Plan& plan);
  /// Optimiser steps over so many tokens, timed by the caller.
  void add_training(double tokens, double flops, double seconds);
  void add_failure(const std::string& name, const std::string& why);
  /// `flops`: of all passes as they will run; `surveyed`: the layers are those that the run will find.
  std::string text(double flops, bool surveyed) const;

 private:
  ExecutorOptions options_;
  double rate_;
  double training_flops_ = 0, training_seconds_ = 0;
  std::string lines_;
};

}  // namespace replicate
