#include "harness/record/words.h"

#include "base/error.h"

namespace replicate {
namespace {

template <typename Enum>
using Words = std::vector<std::pair<Enum, std::string>>;

template <typename Enum>
std::string word_of(Enum wanted) {
  for (const auto& [value, word] : words_of<Enum>()) {
    if (value == wanted) return word;
  }
  return {};
}

/// "pass, fail or error"
std::string enumerated(const std::vector<std::string>& choices) {
  std::string text;
  for (size_t i = 0; i < choices.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
  }
  return text;
}

constexpr const char* name_of(Verdict) { return "verdict"; }
constexpr const char* name_of(ClaimKind) { return "kind of claim"; }
constexpr const char* name_of(Operator) { return "operator"; }
constexpr const char* name_of(Outcome) { return "outcome"; }
constexpr const char* name_of(ControlOutcome) { return "outcome"; }
constexpr const char* name_of(Bearing) { return "bearing"; }
constexpr const char* name_of(Standing) { return "standing"; }
constexpr const char* name_of(StageCalls) { return "number of calls"; }

}  // namespace

template <>
const Words<Verdict>& words_of() {
  static const Words<Verdict> kWords = {{Verdict::pass, "pass"},
                                        {Verdict::fail, "fail"},
                                        {Verdict::inconclusive, "inconclusive"},
                                        {Verdict::not_applicable, "not applicable"},
                                        {Verdict::not_run, "not run"},
                                        {Verdict::descriptive, "descriptive"},
                                        {Verdict::error, "error"},
                                        {Verdict::skipped, "skipped"}};
  return kWords;
}

template <>
const Words<ClaimKind>& words_of() {
  static const Words<ClaimKind> kWords = {{ClaimKind::unknown, ""},
                                          {ClaimKind::mechanism, "mechanism"},
                                          {ClaimKind::intervention, "intervention"},
                                          {ClaimKind::training, "training"}};
  return kWords;
}

template <>
const Words<Operator>& words_of() {
  static const Words<Operator> kWords = {
      {Operator::above, ">"}, {Operator::at_least, ">="}, {Operator::below, "<"}, {Operator::at_most, "<="}};
  return kWords;
}

template <>
const Words<Outcome>& words_of() {
  static const Words<Outcome> kWords = {{Outcome::unjudged, ""},
                                        {Outcome::pass, "pass"},
                                        {Outcome::fail, "fail"},
                                        {Outcome::inconclusive, "inconclusive"},
                                        {Outcome::not_measured, "not measured"}};
  return kWords;
}

template <>
const Words<ControlOutcome>& words_of() {
  static const Words<ControlOutcome> kWords = {{ControlOutcome::unjudged, ""},
                                               {ControlOutcome::negative, "negative"},
                                               {ControlOutcome::fires, "fires"},
                                               {ControlOutcome::inconclusive, "inconclusive"},
                                               {ControlOutcome::not_measured, "not measured"}};
  return kWords;
}

template <>
const Words<Bearing>& words_of() {
  static const Words<Bearing> kWords = {
      {Bearing::silent, "silent"}, {Bearing::supports, "supports"}, {Bearing::contradicts, "contradicts"}};
  return kWords;
}

template <>
const Words<Standing>& words_of() {
  static const Words<Standing> kWords = {{Standing::arithmetic, "arithmetic"},
                                         {Standing::calibrated, "calibrated"},
                                         {Standing::confirmatory, "confirmatory"},
                                         {Standing::unregistered, "unregistered"}};
  return kWords;
}

template <>
const Words<StageCalls>& words_of() {
  static const Words<StageCalls> kWords = {
      {StageCalls::once, "once"}, {StageCalls::each, "each"}, {StageCalls::each_and_all, "each and all"}};
  return kWords;
}

std::string to_string(Verdict verdict) { return word_of(verdict); }
std::string to_string(ClaimKind kind) { return word_of(kind); }
std::string to_string(Operator op) { return word_of(op); }
std::string to_string(Outcome outcome) { return word_of(outcome); }
std::string to_string(ControlOutcome outcome) { return word_of(outcome); }
std::string to_string(Bearing bearing) { return word_of(bearing); }
std::string to_string(Standing standing) { return word_of(standing); }
std::string to_string(StageCalls calls) { return word_of(calls); }

template <typename Enum>
Enum from_string(const std::string& text) {
  for (const auto& [value, word] : words_of<Enum>()) {
    if (word == text) return value;
  }
  const std::string name = name_of(Enum{});
  throw Error("unknown " + name + " " + in_quotes(text), name, "use " + enumerated(choices_of<Enum>()));
}

template Verdict from_string<Verdict>(const std::string&);
template ClaimKind from_string<ClaimKind>(const std::string&);
template Operator from_string<Operator>(const std::string&);
template Outcome from_string<Outcome>(const std::string&);
template ControlOutcome from_string<ControlOutcome>(const std::string&);
template Bearing from_string<Bearing>(const std::string&);
template Standing from_string<Standing>(const std::string&);
template StageCalls from_string<StageCalls>(const std::string&);

}  // namespace replicate
