// Variance over random ids by position, before and after a head norm or a gate, of every arm's last weights and of its
// initial ones (figures 22 and 23); in our layers 1 and 2.
// Cost: two layers of one forward pass for each run's first and last model.

#include "harness/study/measures/trained_variance.h"

namespace replicate {
namespace {

struct BeforeAndAfterTraining {
  TrainedVariance null, trained;
};

using Variances = BySeed<BeforeAndAfterTraining>;

/// Of an arm's weights at step 0 (`when` is "_null") or of its last ones ("").
void report_variances(const std::string& arm, const std::string& when, const Variances& seeds,
                      TrainedVariance BeforeAndAfterTraining::*which, int64_t layer, SeedMeasure& measure) {
  using Side = std::shared_ptr<VarianceByPosition> TrainedVariance::*;
  const auto report = [&](const std::string& before, Side side) {
    const auto of = [&](const BeforeAndAfterTraining& seen) -> const auto& { return *(seen.*which.*side); };
    measure.mean("variance_ratio_" + (before.empty() ? "first_to_rest" : before) + "_" + arm + when,
                 per_seed(seeds, [&](const auto& seen) { return of(seen).first_to_rest(layer); }), {{"layer", layer}});
    measure.curve(in_layer("variance_by_position" + (before.empty() ? "" : "_" + before) + when, layer), arm,
                  "position", variance_positions(),
                  rows_per_seed(seeds, kVariancePositions, [&](const auto& seen) { return of(seen).layer(layer); }));
  };
  report("", &TrainedVariance::after);
  report("before", &TrainedVariance::before);
}

void variance_by_arm(TrainingClaim& claim) {
  const auto arms = claim.all_arms(claim.trained().own_rate);
  const auto layers = variance_layers(claim.trained().config);
  const auto tokens = random_ids(claim);
  std::map<std::string, Variances> by_arm;
  for (const auto& arm : arms.names()) {
    by_arm[arm] = look_at(arms.runs(arm), [&](const TrainedRun& run) {
      return BeforeAndAfterTraining{observe_variance(claim, run.first(), tokens, layers),
                                    observe_variance(claim, run.last(), tokens, layers)};
    });
  }
  claim.report([=](SeedMeasure& measure) {
    measure.measured_on("random");
    for (const auto layer : layers) {
      for (const auto& [arm, seeds] : by_arm) {
        report_variances(arm, "", seeds, &BeforeAndAfterTraining::trained, layer, measure);
        report_variances(arm, "_null", seeds, &BeforeAndAfterTraining::null, layer, measure);
      }
    }
  });
}

REPLICATE_DESCRIPTION(gated_attention, variance_by_arm, "random.sequences");

}  // namespace
}  // namespace replicate
