#include "harness/record/settings/prior_knowledge.h"

namespace replicate {

void set_calibration(Draft& draft, bool of_training, const std::string& text, bool calibrated) {
  for (ClaimDraft& claim : draft.claims) {
    if (trains(claim) != of_training) continue;
    claim.settings.calibration = text;
    claim.settings.calibrated = calibrated;
  }
}

void forget_training(Draft& draft) {
  for (ClaimDraft& claim : draft.claims) {
    if (trains(claim)) claim.settings.known.expected.reset();
  }
  set_calibration(draft, true, kUnknownTraining, false);
}

}  // namespace replicate
