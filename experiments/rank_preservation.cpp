// Models trained with head-wise RMSNorm keep their hidden states in more directions than the baseline (paper, figure
// 15: effective rank, mean over layers, 445.96 against 343.71, which is 29.7% more). The rank is that of all hidden
// states of several texts stacked into one matrix, the form of these numbers, of equally many tokens for every run. The
// collapse is ascribed to the sink, so the baseline must have one. Cost: two forward passes per run of the baseline,
// one per run of the arm, and the spectra of two matrices per layer.

#include "harness/study/measures/effective_rank.h"
#include "harness/study/training_checks.h"

namespace replicate {
namespace {

using Ranks = BySeed<std::shared_ptr<RankOfTokens>>;

/// The rank of a matrix of random rows [N, D] comes near D for N = 4 D; more rows add little.
int64_t stacked_tokens(const TrainingClaim& claim) {
  return claim.parameters.integer("tokens_per_dimension") * claim.trained().config.width;
}

/// So many sequences of the trained length that they hold these tokens.
Tokens texts_of(const TrainingClaim& claim, int64_t tokens) {
  const auto length = claim.trained().length;
  return claim.trained().validation((tokens + length - 1) / length, Region::measure);
}

Ranks observe_ranks(TrainingClaim& claim, std::span<const TrainedRun> runs) {
  const auto tokens = stacked_tokens(claim);
  const auto texts = texts_of(claim, tokens);
  return look_at(runs, [&](const TrainedRun& run) {
    return claim.run(run.last(), texts).add(std::make_shared<RankOfTokens>(tokens));
  });
}

/// Mean over the inputs of layers 1..L, by seed.
std::vector<double> layer_means(const Ranks& seeds, bool with_massive) {
  return per_seed(seeds, [&](const std::shared_ptr<RankOfTokens>& rank) {
    return mean(with_massive ? rank->layers() : rank->layers_without_massive());
  });
}

/// (arm - baseline) / baseline of each seed.
std::vector<double> relative_difference(const Ranks& arm, const Ranks& baseline, bool with_massive) {
  return paired(layer_means(arm, with_massive), layer_means(baseline, with_massive),
                [](double a, double b) { return (a - b) / b; });
}

void rank_preservation(TrainingClaim& claim) {
  const auto arms = claim.compared({kBaseline, kHeadRmsNorm});
  const auto texts = claim.trained().validation(claim.parameters.integer("validation.sequences"), Region::measure);
  const BaselineSink sink(claim, arms, texts);
  const auto baseline = observe_ranks(claim, arms.runs(kBaseline)), arm = observe_ranks(claim, arms.runs(kHeadRmsNorm));
  claim.report([=, &claim](SeedMeasure& measure) {
    report_runs(claim.trained(), arms, measure);
    sink.report(claim.parameters.real("sink_excess"), measure);
    measure.judged("relative_rank_difference", relative_difference(arm, baseline, true));
    measure.mean("relative_rank_difference_without_massive", relative_difference(arm, baseline, false));
  });
}

REPLICATE_CLAIM(rank_preservation, "tokens_per_dimension", "validation.sequences", "sink_excess");

}  // namespace
}  // namespace replicate
