#pragma once

#include <tuple>

#include "harness/inputs/loading.h"
#include "harness/study/context.h"
#include "harness/study/runner/runner.h"
#include "harness/training/training_study.h"

namespace replicate {

/// On what a survey is made: claims are bound to the one of their own kind of inputs.
struct SurveyInputs {
  InputKind kind = InputKind::natural;
  bool bos = false;

  bool operator==(const SurveyInputs&) const = default;
  bool operator<(const SurveyInputs& other) const { return std::tie(kind, bos) < std::tie(other.kind, other.bos); }
  std::string label() const { return name_of(kind) + (bos ? "_bos" : ""); }
};

/// What the claims of one run share: the model, its inputs, what the survey found, and the records so far.
class Session {
 public:
  explicit Session(const RunRequest& run_request);

  const RunRequest& request;
  const Settings& settings;
  LoadedModel loaded;
  std::shared_ptr<InputMaker> maker;
  GivenInputs given;  ///< in place of the program's own inputs; null without
  std::string prose_sha256;
  ExecutorOptions options;
  std::map<SurveyInputs, Survey> surveys;
  int64_t attempts = 0;                   ///< at claims, so far: each names its recordings by its number
  std::map<std::string, Record> records;  ///< by claim

  /// Given sequences say it themselves. The settings know it of a named model; a model that is given by its path may
  /// know it of itself.
  bool begins_with_bos() const;
  std::string noise() const;   ///< what tells results with noise on the weights from others; empty without
  std::string config() const;  ///< of config.yaml, with what was left for the model to decide

  /// Of natural text, as the model is measured.
  SurveyInputs main_survey() const { return {InputKind::natural, begins_with_bos()}; }
  /// Of the judged inputs of a claim that measures in this context.
  SurveyInputs survey_for(const Context& context) const;

  Context context_for(const ClaimSettings& claim) const;
  Context context_for(const ClaimSettings& claim, const SweepSettings& point);

  /// Where a text of Settings::sweep_texts comes from. Error where it is not set up, or the model has no known chat
  /// template.
  TextSource source_of(const std::string& text) const;
  std::string sha256_of(
      const std::string& text);  ///< of all that its passages are made of; empty where it is not there

  TrainingStudy& study();  ///< made when a training claim wants it
  void time_study();       ///< in its place one that can be timed, where its text is missing
 private:
  std::shared_ptr<InputMaker> make_inputs(uint64_t seed, const std::string& text = {}) const;

  InputMaker& other_maker(uint64_t seed, const std::string& text);

  std::map<std::pair<uint64_t, std::string>, std::shared_ptr<InputMaker>> other_makers_;  // by seed and text
  std::map<std::string, std::string> texts_sha256_;
  std::unique_ptr<TrainingStudy> study_;
};

void use(const ModelAndNulls& models, Context& context);

}  // namespace replicate
