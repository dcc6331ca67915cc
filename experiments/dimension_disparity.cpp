// After a spike one or two dimensions dominate position 0's residual vector, so RMSNorm turns it into nearly one
// direction whatever the token was (paper, figures 11 and 14; Llama-2-7B: max|h| / mean|h| above 200, 262.88 after the
// norm). It has to hold in every sink layer of the stage: of each sequence the layer in which it holds least is judged,
// so the mean over sequences of any one layer lies no lower than what is judged.
// Cost: one forward pass. experiments/described/disparity_by_layer.cpp has all layers.

#include "harness/study/claim.h"
#include "harness/study/measures/disparity.h"

namespace replicate {
namespace {

/// Vectors that enter the stage's sink layers, before the norm's gain.
struct SinkInputs {
  Condition on;
  std::shared_ptr<Watch> dominance, energy;  // [B, S, 2]: position 0, mean over the others

  Tensor first() const { return dominance->layers().select(2, 0); }    // [B, S]
  Tensor others() const { return dominance->layers().select(2, 1); }   // [B, S]
  Tensor top4_first() const { return energy->layers().select(2, 0); }  // [B, S]
};

/// Of each sequence in the layer in which it is smallest: [B, S] -> [B].
Tensor least(const Tensor& by_layer) { return by_layer.amin(1); }

void judge_every_layer(const SinkInputs& seen, double width, double others_factor, Measure& measure) {
  measure.judged("dominance_per_dimension_least", seen.on, least(seen.first() / width));
  measure.judged("dominance_beyond_others_least", seen.on, least(seen.first() - others_factor * seen.others()));
  measure.judged("top4_energy_least", seen.on, least(seen.top4_first()));
}

/// Quotients of means, in the sink layer in which they are smallest: for the reader.
void report_weakest_layer(const SinkInputs& seen, Measure& measure) {
  measure.population({"dominance_ratio_least", "dominance_over_others_least"}, seen.on, [&](const Tensor& weights) {
    const auto first = at::matmul(weights, seen.first()), others = at::matmul(weights, seen.others());  // [R, S]
    return at::stack({least(first), least(first / others)}, 1);
  });
}

void dimension_disparity(Claim& claim) {
  const auto sinks = claim.stage().sinks;
  const auto on = claim.primary();
  require_other_positions(on, "dimension_disparity");
  auto run = claim.run(on);
  const SinkInputs seen{on, run.add(only_in(sinks, watch_first_and_rest(Site::block_input, dominance_ratio))),
                        run.add(only_in(sinks, watch_first_and_rest(Site::block_input, top4_energy)))};
  const auto width = static_cast<double>(claim.config().width);
  const auto others_factor = claim.parameters.real("others_factor");
  claim.report([=](Measure& measure) {
    judge_every_layer(seen, width, others_factor, measure);
    report_weakest_layer(seen, measure);
  });
}

REPLICATE_CLAIM(dimension_disparity, "natural", "others_factor");

}  // namespace
}  // namespace replicate
