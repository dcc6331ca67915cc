// Can a sink be foreseen? (Beyond the paper, which looks at finished models.) Seeds of one recipe end with a sink or
// without one; if the chain of causes begins with a super neuron, the most selective neuron early in training should
// tell which. Judged by Mann and Whitney's exact test over seeds. A seed whose sink is there by then foretells itself,
// so the same is reported of early excess attention. Cost: two forward passes per run of the baseline.

#include <algorithm>
#include <cmath>

#include "base/rank_test.h"
#include "harness/study/measures/largest_selectivity.h"
#include "harness/study/training_checks.h"

namespace replicate {
namespace {

struct EarlyAndLate {
  std::shared_ptr<LargestSelectivity> early;
  TrainedSink early_sink, late;
};

/// By seed; NaN where a run did not reach its end.
struct SeenBySeed {
  std::vector<double> selectivity, early_excess, excess;

  explicit SeenBySeed(const BySeed<EarlyAndLate>& seeds)
      : selectivity(per_seed(seeds, [](const EarlyAndLate& seen) { return std::ranges::max(seen.early->layers()); })),
        early_excess(
            per_seed(seeds, [](const EarlyAndLate& seen) { return seen.early_sink.by_layer().largest_excess(); })),
        excess(per_seed(seeds, [](const EarlyAndLate& seen) { return seen.late.by_layer().largest_excess(); })) {}
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

/// Of an early sign: seeds that end with a sink against those that end without one.
RankTest foretold(const std::vector<double>& sign, const std::vector<double>& excess, double sink) {
  std::vector<double> with_sink, without;
  for (size_t seed = 0; seed < excess.size(); ++seed) {
    if (std::isnan(excess[seed])) continue;  // it did not reach its end
    (excess[seed] >= sink ? with_sink : without).push_back(sign[seed]);
  }
  return {with_sink, without};
}

double seeds_with(const std::vector<double>& excess, double sink) {
  return static_cast<double>(std::ranges::count_if(excess, [&](double value) { return value >= sink; }));
}

void report_prediction(const SeenBySeed& seen, double sink, SeedMeasure& measure) {
  const auto by_neuron = foretold(seen.selectivity, seen.excess, sink);
  measure.value("seeds_observed", static_cast<double>(present(seen.excess).size()));
  measure.value("seeds_ending_with_sink", seeds_with(seen.excess, sink));
  measure.value("early_selectivity_auc", by_neuron.auc());
  measure.value("early_selectivity_rank_p", two_sided_scale(by_neuron));
  measure.value("early_excess_auc", foretold(seen.early_excess, seen.excess, sink).auc());
  measure.value("seeds_with_early_sink", seeds_with(seen.early_excess, sink));
}

void emergence(TrainingClaim& claim) {
  const auto arms = claim.compared({kBaseline});
  const auto texts = claim.trained().validation(claim.parameters.integer("validation.sequences"), Region::measure);
  const auto seeds = look_at(arms.runs(kBaseline), [&](const TrainedRun& run) {
    const auto& early = kept_at(run, claim.parameters.real("early"), claim.trained().steps);
    return EarlyAndLate{claim.run(early, texts).add(std::make_shared<LargestSelectivity>()),
                        TrainedSink(claim, early, texts), TrainedSink(claim, run.last(), texts)};
  });
  claim.report([=, &claim](SeedMeasure& measure) {
    const SeenBySeed seen(seeds);
    report_prediction(seen, claim.parameters.real("thresholds.excess"), measure);
    measure.mean("early_selectivity", seen.selectivity);
    measure.mean("early_excess_attention", seen.early_excess);
    measure.mean("final_excess_attention", seen.excess);
    arms.note_runs(measure);
  });
}

REPLICATE_CLAIM(emergence, "validation.sequences", "early", "thresholds.excess");

}  // namespace
}  // namespace replicate
