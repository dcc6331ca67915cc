#pragma once

// The interface of claims that are not functions yet (claim.h): plan() says what to run, reduce() turns what the probes
// saw into numbers.

#include "harness/study/claim.h"

namespace replicate {

class Experiment {
 public:
  virtual ~Experiment() = default;
  /// Lanes to run; the experiment keeps the probes that it attached. An empty plan is for a model on which there
  /// is nothing to measure: reduce() then says why.
  virtual Plan plan(const Context& context) = 0;
  virtual Measurement reduce(const Context& context) = 0;
};

/// Runs an experiment of type T as the claim's function.
template <typename T, typename C>
void run_experiment(C& claim) {
  const auto experiment = std::make_shared<T>();
  claim.measured_by(experiment->plan(claim), [experiment, &claim] { return experiment->reduce(claim); });
}

/// As REPLICATE_CLAIM, for a class.
#define REPLICATE_EXPERIMENT(id, Type, ...)            \
  [[maybe_unused]] static const bool registered_##id = \
      (::replicate::register_claim(#id, &::replicate::run_experiment<Type, ::replicate::Claim>, {__VA_ARGS__}), true)
#define REPLICATE_TRAINING_EXPERIMENT(id, Type, ...)                                                    \
  [[maybe_unused]] static const bool registered_##id =                                                  \
      (::replicate::register_claim(#id, &::replicate::run_experiment<Type, ::replicate::TrainingClaim>, \
                                   {__VA_ARGS__}),                                                      \
       true)

}  // namespace replicate
