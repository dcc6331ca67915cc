#include "harness/record/settings/prior_knowledge.h"

#include "harness/record/settings/config_files.h"

namespace replicate {

void apply_known_verdicts(Draft& draft, const Yaml& yaml, bool of_training) {
  read_list(yaml, "known_verdicts", [&](const Yaml& entry) {
    entry.allow({"claim", "verdict", "why", "since"});
    ClaimDraft& claim = known_claim(draft, filled_text(entry.at("claim")), entry);
    if (trains(claim) != of_training) {
      entry.at("claim").fail(
          trains(claim) ? "names a claim that trains its own models" : "names a claim about one model",
          of_training ? "list it in the model's file" : "list it in a profile");
    }
    const auto verdict = word_of<Verdict>(entry.at("verdict"));
    claim.settings.known = {verdict, filled_text(entry.at("why")), filled_text(entry.at("since"))};
    return 0;
  });
}

void set_calibration(Draft& draft, bool of_training, const std::string& text, bool calibrated) {
  for (ClaimDraft& claim : draft.claims) {
    if (trains(claim) != of_training) continue;
    claim.settings.calibration = text;
    claim.settings.calibrated = calibrated;
  }
}

void forget_training(Draft& draft) {
  for (ClaimDraft& claim : draft.claims) {
    if (trains(claim)) claim.settings.known.reset();
  }
  set_calibration(draft, true, kUnknownTraining, false);
}

}  // namespace replicate
