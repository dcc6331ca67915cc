#pragma once

// The words that YAML and JSON use for a few fixed choices, as types.

#include <string>
#include <utility>
#include <vector>

namespace replicate {

/// - not_applicable: the model or the inputs lack what the claim is about.
/// - not_run: something is missing that the claim needs, such as an arm that the profile does not train.
/// - descriptive: the claim judges nothing.
/// - skipped: a word of records of schema 1 for all three.
enum class Verdict { pass, fail, inconclusive, not_applicable, not_run, descriptive, error, skipped };

/// What a claim does: it only looks at a model, changes something in it, or compares models that are trained here.
/// `unknown` (empty) stands in records that do not say so.
enum class ClaimKind { unknown, mechanism, intervention, training };

/// > >= < <=
enum class Operator { above, at_least, below, at_most };

/// What came of a criterion; `unjudged` (empty) before that and in the record of an error.
enum class Outcome { unjudged, pass, fail, inconclusive, not_measured };

/// What came of a control, likewise.
enum class ControlOutcome { unjudged, negative, fires, inconclusive, not_measured };

/// What a verdict says of the paper.
enum class Bearing { silent, supports, contradicts };

/// Whether a verdict could have been a surprise.
/// - arithmetic: nothing that decides could have come out otherwise.
/// - calibrated: the model, its shape or a relative was known when the definition was registered.
/// - confirmatory: a prediction for the model was registered before its record, or the model is younger than the
///   definition.
/// - unregistered: a model of the user's own.
enum class Standing { arithmetic, calibrated, confirmatory, unregistered };

/// How often a claim is measured on a model with several stages (stages.h): once, once per stage, or once per stage and
/// once with all of them together.
enum class StageCalls { once, each, each_and_all };

/// Every value of the enum with its word.
template <typename Enum>
const std::vector<std::pair<Enum, std::string>>& words_of();
template <>
const std::vector<std::pair<Verdict, std::string>>& words_of();
template <>
const std::vector<std::pair<ClaimKind, std::string>>& words_of();
template <>
const std::vector<std::pair<Operator, std::string>>& words_of();
template <>
const std::vector<std::pair<Outcome, std::string>>& words_of();
template <>
const std::vector<std::pair<ControlOutcome, std::string>>& words_of();

template <>
const std::vector<std::pair<Bearing, std::string>>& words_of();
template <>
const std::vector<std::pair<Standing, std::string>>& words_of();
template <>
const std::vector<std::pair<StageCalls, std::string>>& words_of();

std::string to_string(Verdict verdict);
std::string to_string(ClaimKind kind);
std::string to_string(Operator op);
std::string to_string(Outcome outcome);
std::string to_string(ControlOutcome outcome);
std::string to_string(Bearing bearing);
std::string to_string(Standing standing);
std::string to_string(StageCalls calls);

/// The words that a person may write: all but the empty one.
template <typename Enum>
std::vector<std::string> choices_of() {
  std::vector<std::string> choices;
  for (const auto& [value, word] : words_of<Enum>()) {
    if (!word.empty()) choices.push_back(word);
  }
  return choices;
}

/// Error, naming the choices, when `text` is none of the words.
template <typename Enum>
Enum from_string(const std::string& text);

}  // namespace replicate
