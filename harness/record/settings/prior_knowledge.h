#pragma once

// What was known of a model, or of what a profile trains, when thresholds were chosen.

#include <string>

#include "harness/record/settings/draft.h"

namespace replicate {

inline constexpr const char* kDefaultCalibration =
    "this project had not measured the model when it chose the thresholds; no definition is registered yet, so the "
    "verdict confirms nothing";
inline constexpr const char* kUnknownTraining = "no definition is registered yet, so the verdict confirms nothing";
inline constexpr const char* kRegisteredBefore =
    "the definition was registered before this project had numbers of the model or regime";
inline constexpr const char* kKnownModel =
    "numbers of this model, or of one of its shape, were known when the thresholds were chosen, so the verdict "
    "describes the model and tests nothing";

/// What was known when thresholds were chosen: of a model, for the claims about one; of what a profile trains, for the
/// others.
void set_calibration(Draft& draft, bool of_training, const std::string& text, bool calibrated);

/// Of training claims: they are judged otherwise than where the verdicts were recorded.
void forget_expected_verdicts(Draft& draft);

/// The claims train other models than the profile's, of which nothing is known.
void forget_training(Draft& draft);

inline constexpr const char* kLowestKnownLoss = "lowest_known_loss";  // of configs/training.yaml

/// Whether these settings train what `before` trained: they differ in no more than the lowest known loss.
bool train_the_same(const ParameterTable& training, const ParameterTable& before);

/// The lowest known loss is one of some data. Where a layer of settings changed the data of `before` and gave no loss,
/// none is known.
void forget_lowest_loss(ParameterTable& training, const ParameterTable& before);

}  // namespace replicate
