// Can a sink be foreseen? (Beyond the paper, which looks at finished models.) Seeds of one recipe end with a sink or
// without one; if the chain of causes begins with a super neuron, the most selective neuron early in training should
// tell which. Judged by Mann and Whitney's exact test over seeds. Cost: two forward passes per run of the baseline.

#include <algorithm>
#include <cmath>

#include "base/rank_test.h"
#include "harness/study/measures/largest_selectivity.h"
#include "harness/study/training_checks.h"

namespace replicate {
namespace {

struct EarlyAndLate {
  std::shared_ptr<LargestSelectivity> early;
  TrainedSink late;
};

/// The state that was kept after this share of the steps; ends the call where there is none.
const TrainedModel& kept_at(const TrainedRun& run, double share, int64_t steps) {
  const auto kept = std::ranges::find_if(run.models, [&](const TrainedModel& state) {
    return std::abs(static_cast<double>(state.step) - share * static_cast<double>(steps)) < 1;
  });
  if (kept == run.models.end()) Claim::unmet("no weights were kept after " + brief(100 * share) + "% of the steps");
  return *kept;
}

/// The test's p; where the ranks lie on the other side, 1 - p of that side: what a claim judges by one number.
double two_sided_scale(const RankTest& test) {
  return test.p_above() <= test.p_below() ? test.p_above() : 1 - test.p_below();
}

void report_prediction(const std::vector<double>& selectivity, const std::vector<double>& excess, double sink,
                       SeedMeasure& measure) {
  std::vector<double> with_sink, without;
  for (size_t seed = 0; seed < excess.size(); ++seed) {
    if (std::isnan(excess[seed])) continue;  // it did not reach its end
    (excess[seed] >= sink ? with_sink : without).push_back(selectivity[seed]);
  }
  const RankTest test(with_sink, without);
  measure.value("seeds_observed", static_cast<double>(with_sink.size() + without.size()));
  measure.value("seeds_ending_with_sink", static_cast<double>(with_sink.size()));
  measure.value("early_selectivity_auc", test.auc());
  measure.value("early_selectivity_rank_p", two_sided_scale(test));
}

void emergence(TrainingClaim& claim) {
  const auto arms = claim.compared({kBaseline});
  const auto texts = claim.trained().validation(claim.parameters.integer("validation.sequences"), Region::measure);
  const auto seeds = look_at(arms.runs(kBaseline), [&](const TrainedRun& run) {
    const auto& early = kept_at(run, claim.parameters.real("early"), claim.trained().steps);
    return EarlyAndLate{claim.run(early, texts).add(std::make_shared<LargestSelectivity>()),
                        TrainedSink(claim, run.last(), texts)};
  });
  claim.report([=, &claim](SeedMeasure& measure) {
    const auto selectivity =
        per_seed(seeds, [](const EarlyAndLate& seen) { return std::ranges::max(seen.early->layers()); });
    const auto excess = per_seed(seeds, [](const EarlyAndLate& seen) { return seen.late.by_layer().largest_excess(); });
    report_prediction(selectivity, excess, claim.parameters.real("thresholds.excess"), measure);
    measure.mean("early_selectivity", selectivity);
    measure.mean("final_excess_attention", excess);
    arms.note_runs(measure);
  });
}

REPLICATE_CLAIM(emergence, "validation.sequences", "early", "thresholds.excess");

}  // namespace
}  // namespace replicate
