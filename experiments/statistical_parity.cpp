// Head-wise RMSNorm "restores parity across positions" (abstract): after it, position 0 varies over texts like any
// other position, where without it its variance is the largest by arithmetic. A norm also changes the scale of all
// heads, so a second arm has that scale alone, by constant gains: parity helps only if the norm ends with a lower loss
// than these, and than the baseline, since constant gains may do harm. Cost: two layers of one forward pass per run.

#include "harness/study/measures/trained_variance.h"
#include "harness/study/training_checks.h"

namespace replicate {
namespace {

/// By position, where the claim looks.
void report_curves(const ComparedArms& arms, const LogVarianceRatios& ratios, SeedMeasure& measure) {
  for (const auto& arm : arms.names()) {
    measure.curve(in_layer("variance_by_position", kPaperVarianceLayer), arm, "position", variance_positions(),
                  ratios.by_position(arm));
  }
}

void statistical_parity(TrainingClaim& claim) {
  const auto arms = claim.compared({kBaseline, kHeadRmsNorm, kConstantGain});
  if (!has_layer(claim, kPaperVarianceLayer)) return;
  const LogVarianceRatios ratios(claim, arms, kPaperVarianceLayer);
  claim.report([=, &claim](SeedMeasure& measure) {
    report_runs(claim.trained(), arms, measure);
    report_headroom(claim.trained(), arms, measure);
    measure.judged("relative_loss_difference", relative_losses(arms.runs(kHeadRmsNorm), arms.runs(kBaseline)));
    measure.judged("loss_less_constant_gain",
                   differences(final_losses(arms.runs(kHeadRmsNorm)), final_losses(arms.runs(kConstantGain))));
    measure.measured_on("random");
    ratios.require_discrepancy(claim.parameters.real("discrepancy"), measure);
    measure.judged("log_variance_ratio_after_norm", ratios.of(kHeadRmsNorm), {{"layer", kPaperVarianceLayer}});
    report_curves(arms, ratios, measure);
  });
}

REPLICATE_CLAIM(statistical_parity, "random.sequences", "discrepancy");

}  // namespace
}  // namespace replicate
