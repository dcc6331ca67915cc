// After a gate on head outputs, position 0 varies over texts like any other position (paper, figures 22 and 23, layer 1
// counted from 0). Without a gate its variance is the largest by arithmetic, before any training, since nothing is
// averaged there: the claim needs a baseline in which that is so.
// Cost: two layers of one forward pass per run.

#include "harness/study/measures/trained_variance.h"
#include "harness/study/training_checks.h"

namespace replicate {
namespace {

void gated_attention(TrainingClaim& claim) {
  const auto arms = claim.compared({kBaseline, kGatedAttention});
  if (!has_layer(claim, kPaperVarianceLayer)) return;
  const LogVarianceRatios ratios(claim, arms, kPaperVarianceLayer);
  claim.report([=, &claim](SeedMeasure& measure) {
    report_runs(claim.trained(), arms, measure);
    measure.measured_on("random");
    ratios.require_discrepancy(claim.parameters.real("discrepancy"), measure);
    const auto gated = ratios.of(kGatedAttention);
    measure.judged("log_variance_ratio_after_gate", gated, {{"layer", kPaperVarianceLayer}});
    measure.judged("log_variance_ratio_after_gate_less_baseline", differences(gated, ratios.of(kBaseline)),
                   {{"layer", kPaperVarianceLayer}});
  });
}

REPLICATE_CLAIM(gated_attention, "random.sequences", "discrepancy");

}  // namespace
}  // namespace replicate
