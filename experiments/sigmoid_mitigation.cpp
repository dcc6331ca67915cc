// Models trained with sigmoid attention, whose rows need not sum to one, have no attention sink and no dominant
// dimensions (paper, figure 2). Judged as head-wise RMSNorm is (sink_mitigation), with attention relative to its row's
// sum. Cost: two forward passes per run of the baseline, one per run of the arm.

#include <algorithm>

#include "harness/study/mitigation.h"

namespace replicate {
namespace {

/// Of any layer, mean over sequences, of the run that has least.
double least_rows(const BySeed<TrainedSink>& seeds) {
  const auto kept = present(per_seed(seeds, [](const TrainedSink& sink) { return sink.by_layer().least_rows_kept(); }));
  return kept.empty() ? 0 : std::ranges::min(kept);
}

void sigmoid_mitigation(TrainingClaim& claim) {
  const auto sinks = report_mitigation(claim, kSigmoidAttention);
  claim.report([=](SeedMeasure& measure) { measure.value("least_rows_kept", least_rows(sinks)); });
}

REPLICATE_CLAIM(sigmoid_mitigation, "validation.sequences", "sink_excess", "allowed.excess", "allowed.dominance");

}  // namespace
}  // namespace replicate
