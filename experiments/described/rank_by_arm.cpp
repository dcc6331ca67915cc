// The stacked effective rank of every arm by layer (figure 15), with the first tokens and without them.
// Cost: one forward pass per run.

#include "harness/study/claim.h"
#include "harness/study/measures/effective_rank.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

using StackedRanks = BySeed<std::shared_ptr<StackedRank>>;
using Residual = Tensor (StackedRank::*)() const;  // [L + 1]

/// At the inputs of layers 1..L, by seed; what leaves layer L is no layer's input.
std::vector<std::vector<double>> at_inputs(const StackedRanks& seeds, int64_t layers, Residual residual) {
  return rows_per_seed(seeds, layers, [&](const std::shared_ptr<StackedRank>& rank) {
    return to_vector<double>(((*rank).*residual)().slice(0, 0, layers));
  });
}

void report_ranks(const std::string& arm, const StackedRanks& seeds, int64_t layers, SeedMeasure& measure) {
  const auto ranks = at_inputs(seeds, layers, &StackedRank::residual);
  std::vector<double> means;
  for (const auto& row : ranks) means.push_back(mean(row));
  measure.mean("effective_rank_" + arm, means);
  measure.curve("effective_rank", arm, "layer", layer_numbers(layers), ranks);
  measure.curve("effective_rank_without_first", arm, "layer", layer_numbers(layers),
                at_inputs(seeds, layers, &StackedRank::residual_without_first));
}

void rank_by_arm(TrainingClaim& claim) {
  const auto& config = claim.trained().config;
  const auto arms = claim.all_arms(claim.trained().own_rate);
  const auto tokens = claim.trained().validation(claim.parameters.integer("validation.sequences"), Region::measure);
  require_stackable(tokens->sequences() * (tokens->length() - 1), config.width, "rank_preservation");
  for (const auto& arm : arms.names()) {
    const auto seeds = look_at(arms.runs(arm), [&](const TrainedRun& trained) {
      return claim.run(trained.last(), tokens).add(std::make_shared<StackedRank>());
    });
    claim.report([=, layers = config.layers](SeedMeasure& measure) { report_ranks(arm, seeds, layers, measure); });
  }
}

REPLICATE_DESCRIPTION(rank_preservation, rank_by_arm, "validation.sequences");

}  // namespace
}  // namespace replicate
