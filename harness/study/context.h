#pragma once

// What a claim is bound to in one call: a model, the inputs to measure on, what the survey found and the claim's
// parameters.

#include "base/statistics.h"
#include "harness/inputs/inputs.h"
#include "harness/record/settings/settings.h"
#include "harness/record/survey.h"
#include "harness/training/results.h"
#include "models/core/executor.h"

namespace replicate {

/// Token ids on a model: the primary condition of a claim, or one that is reported beside it.
struct Condition {
  Tokens tokens;
  std::shared_ptr<const Model> model;
  std::string suffix;  ///< of metric and series names: "", "_bos", "_null"

  int64_t length() const { return tokens->length(); }
  int64_t layers() const { return model->config.layers; }
};

/// Error where position 0 is the only one.
void require_other_positions(const Condition& on, const std::string& claim);

/// Names of the conditions beside the primary one that a claim's YAML may give a size.
inline constexpr const char* kConditions[] = {"natural", "random", "repeated", "bos", "null_model"};

class Context {
 public:
  explicit Context(Parameters claim_parameters) : parameters(std::move(claim_parameters)) {}

  std::shared_ptr<const Model> model;
  std::shared_ptr<const Model> null_model;
  std::function<std::shared_ptr<const Model>(uint64_t)> reinitialised;  ///< further null models, by number
  Survey survey;                  ///< of the judged kind of inputs, with or without BOS as here
  std::vector<SinkStage> stages;  ///< that the claim is bound to in this call: one, or all together; empty: none
  Parameters parameters;          ///< of this claim
  InputMaker* maker = nullptr;    ///< shared by all claims of a run
  Tokens given;                   ///< by the user: these ids and no others; null without
  Tokens set_aside;               ///< of those: for the survey and calibration; null without, or with too few
  bool reports_others = true;     ///< false in a variation: nothing beside the primary and the null model
  BootstrapOptions bootstrap;
  uint64_t seed = 0;
  bool bos = false;                           ///< natural inputs begin with BOS, for models that need it
  const TrainingResults* training = nullptr;  ///< what the claim's arms became; null for all but training claims
  std::vector<std::string> arms;              ///< that a training claim compares, in the order of its YAML

  const ModelConfig& config() const { return model->config; }

  /// The condition that is judged first, then each one that the claim's YAML gives a size: natural, random,
  /// repeated, bos, null_model. On given inputs the primary and the null model alone.
  std::vector<Condition> conditions() const;

  InputKind judged_on() const;
  /// On the inputs that the claim's YAML says it is judged_on (natural or random; natural where it says nothing).
  Condition primary() const;
  // The same without BOS and with it, which moves each sequence by one position, whatever the model's own setting. With
  // inputs that are given both are those. Error where BOS is asked for and the vocabulary has none.
  Condition primary_without_bos() const { return primary(false); }
  Condition primary_with_bos() const { return primary(true); }
  /// The condition of that name, if the YAML has it, inputs are not given and, for "bos", the vocabulary has such a
  /// token. "null_model" has the primary's kind of inputs, and all of those that are given.
  std::optional<Condition> condition(const std::string& name) const;

 private:
  Condition primary(bool with_bos) const;
  InputShape shape(const std::string& name) const;
};

}  // namespace replicate
