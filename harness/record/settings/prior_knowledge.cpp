#include "harness/record/settings/prior_knowledge.h"

#include <algorithm>

namespace replicate {
namespace {

/// What a loss is one of.
constexpr const char* kKeysOfData[] = {"data", "tokenizer", "vocabulary",          "triggers",
                                       "bos",  "length",    "validation.sequences"};

bool differ(const ParameterTable& a, const ParameterTable& b, const std::string& key) {
  const auto *one = a.find(key), *other = b.find(key);
  return one && other && one->values != other->values;
}

}  // namespace

void set_calibration(Draft& draft, bool of_training, const std::string& text, bool calibrated) {
  for (ClaimDraft& claim : draft.claims) {
    if (trains(claim) != of_training) continue;
    claim.settings.calibration = text;
    claim.settings.calibrated = calibrated;
  }
}

void forget_expected_verdicts(Draft& draft) {
  for (ClaimDraft& claim : draft.claims) {
    if (trains(claim)) claim.settings.known.expected.reset();
  }
}

void forget_training(Draft& draft) {
  forget_expected_verdicts(draft);
  set_calibration(draft, true, kUnknownTraining, false);
}

bool train_the_same(const ParameterTable& training, const ParameterTable& before) {
  return std::ranges::none_of(training.keys(), [&](const std::string& key) {
    return key != kLowestKnownLoss && differ(training, before, key);
  });
}

void forget_lowest_loss(ParameterTable& training, const ParameterTable& before) {
  const auto *loss = training.find(kLowestKnownLoss), *loss_before = before.find(kLowestKnownLoss);
  if (!loss || loss->where != loss_before->where) return;  // the layer says what it is
  const bool same_data =
      std::ranges::none_of(kKeysOfData, [&](const char* key) { return differ(training, before, key); });
  if (!same_data) training.set(kLowestKnownLoss, Yaml::parse("0", "a layer of settings that changes the data"));
}

}  // namespace replicate
