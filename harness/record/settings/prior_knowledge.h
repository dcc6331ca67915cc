#pragma once

// What was known of a claim when its thresholds were chosen: numbers of the model, and verdicts.

#include <string>

#include "harness/record/settings/draft.h"

namespace replicate {

inline constexpr const char* kDefaultCalibration =
    "this project had not measured the model when it chose the thresholds; no definition is registered yet, so the "
    "verdict confirms nothing";
inline constexpr const char* kUnknownTraining = "no definition is registered yet, so the verdict confirms nothing";
inline constexpr const char* kKnownModel =
    "numbers of this model, or of one of its shape, were known when the thresholds were chosen, so the verdict "
    "describes the model and tests nothing";

/// Reads known_verdicts. The list of a profile is about the models that it trains, that of a model's file about that
/// model.
void apply_known_verdicts(Draft& draft, const Yaml& yaml, bool of_training);

/// What was known when thresholds were chosen: of a model, for the claims about one; of what a profile trains, for the
/// others.
void set_calibration(Draft& draft, bool of_training, const std::string& text, bool calibrated);

/// The claims train other models than the profile's, of which nothing is known.
void forget_training(Draft& draft);

}  // namespace replicate
