#pragma once

// One claim is one experiment: plan() says what to run, reduce() turns what the probes saw into numbers. It
// never judges. Registered by one line under the class, in a file that nothing includes.

#include "base/statistics.h"
#include "harness/inputs/inputs.h"
#include "harness/record/settings/settings.h"
#include "harness/record/survey.h"
#include "harness/training/results.h"
#include "models/core/executor.h"

namespace replicate {

/// Inputs on a model: the primary condition of a claim, or one that is reported beside it.
struct Condition {
  Inputs inputs;
  std::shared_ptr<const Model> model;
  std::string suffix;  ///< of metric and series names: "", "_bos", "_null"
};

/// What an experiment may draw on while it plans and reduces.
class Context {
 public:
  explicit Context(Parameters claim_parameters) : parameters(std::move(claim_parameters)) {}

  std::shared_ptr<const Model> model;
  std::shared_ptr<const Model> null_model;
  std::function<std::shared_ptr<const Model>(uint64_t)> reinitialised;  ///< further null models, by number
  Survey survey;
  Parameters parameters;        ///< of this claim
  InputMaker* maker = nullptr;  ///< shared by all claims of a run
  std::optional<Inputs> given;  ///< --tokens: these ids and no others
  bool reports_others = true;   ///< false in a sweep point: nothing beside the primary and the null model
  BootstrapOptions bootstrap;
  uint64_t seed = 0;
  bool bos = false;                           ///< natural inputs begin with BOS, for models that need it
  const TrainingResults* training = nullptr;  ///< what the claim's arms became; null for all but training claims

  const ModelConfig& config() const { return model->config; }

  /// The condition that is judged first, then each one that the claim's YAML gives a size: natural, random,
  /// repeated, bos, null_model. With --tokens the primary alone.
  std::vector<Condition> conditions() const;

  /// On the inputs that the claim's YAML says it is judged_on (natural or random; natural where it says nothing).
  Condition primary() const;
  /// The condition of that name, if the YAML has it, --tokens is not in force and, for "bos", the vocabulary
  /// has such a token. "null_model" has the primary's kind of inputs.
  std::optional<Condition> condition(const std::string& name) const;

 private:
  InputShape shape(const std::string& name) const;
  InputKind judged_on() const;
};

class Experiment {
 public:
  virtual ~Experiment() = default;
  /// The arms that a training claim compares: they are trained, once for all claims, before it plans.
  virtual std::vector<std::string> arms() const { return {}; }
  /// Lanes to run; the experiment keeps the probes it hung in. An empty plan is for a model on which there
  /// is nothing to measure: reduce() then says why.
  virtual Plan plan(const Context& context) = 0;
  virtual Measurement reduce(const Context& context) = 0;
};

/// How a claim's experiment is made. Every attempt at a claim starts from a fresh instance.
struct RegisteredExperiment {
  std::unique_ptr<Experiment> (*make)();
  std::vector<std::string> parameters;  ///< dotted keys that the experiment reads

  std::unique_ptr<Experiment> operator()() const { return make(); }
};

/// By claim id.
const std::map<std::string, RegisteredExperiment>& experiment_registry();

/// `parameters` as in REPLICATE_EXPERIMENT. Error if the id is taken: of two experiments with one id only one would
/// run.
void register_experiment(const std::string& id, std::unique_ptr<Experiment> (*make)(),
                         const std::vector<std::string>& parameters);

/// Error with "did you mean" on the first parameter that the claim's experiment does not read.
void check_parameters(const std::string& id, const Parameters& parameters);

template <typename T>
struct Registration {
  Registration(const char* id, const std::vector<std::string>& parameters) {
    register_experiment(
        id, []() -> std::unique_ptr<Experiment> { return std::make_unique<T>(); }, parameters);
  }
};

/// After the type: the parameters that the experiment reads, by their dotted keys. The name of a condition (natural,
/// random, repeated, bos, null_model) stands for the condition's sequences and length.
#define REPLICATE_EXPERIMENT(id, Type, ...) \
  static const ::replicate::Registration<Type> registration_of_##id(#id, {__VA_ARGS__})

}  // namespace replicate
