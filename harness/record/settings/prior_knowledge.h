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

/// The claims train other models than the profile's, of which nothing is known.
void forget_training(Draft& draft);

}  // namespace replicate
