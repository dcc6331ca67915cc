// Readers of the paper infer that "architectures that avoid channel sparsity" would have no attention sink, "without
// degrading perplexity"; the paper trains none. In the arm dense_down every column of W_down is dense, so no hidden
// neuron can write into few dimensions of the residual stream; attention is as it was. Judged is whether the sink goes
// and the loss stays, once a check has shown that position 0's vector is dense. Cost: two forward passes per run of the
// baseline, one per run of the arm.

#include "base/statistics.h"
#include "harness/study/mitigation.h"

namespace replicate {
namespace {

/// Dominance of position 0 in the arm over that in the baseline, each the mean over layers and seeds.
double dominance_kept(const BySeed<TrainedSink>& arm, const BySeed<TrainedSink>& baseline) {
  return mean(present(per_seed(arm, layer_mean_dominance))) / mean(present(per_seed(baseline, layer_mean_dominance)));
}

void dense_ffn(TrainingClaim& claim) {
  const auto arms = claim.compared({kBaseline, kDenseDown});
  const auto tokens = claim.trained().validation(claim.parameters.integer("validation.sequences"), Region::measure);
  const BaselineSink baseline(claim, arms, tokens);
  const auto dense = last_sinks(claim, arms.runs(kDenseDown), tokens);
  claim.report([=, &claim](SeedMeasure& measure) {
    report_runs(claim.trained(), arms, measure);
    report_headroom(claim.trained(), arms, measure);
    baseline.report(claim.parameters.real("sink_excess"), measure);
    measure.value("dominance_kept", dominance_kept(dense, baseline.last()));
    measure.judged("excess_beyond_share",
                   beyond_share(dense, baseline.last(), claim.parameters.real("allowed.excess"), largest_excess));
    measure.judged("relative_loss_difference", relative_losses(arms.runs(kDenseDown), arms.runs(kBaseline)));
  });
}

REPLICATE_CLAIM(dense_ffn, "validation.sequences", "sink_excess", "allowed.excess");

}  // namespace
}  // namespace replicate
