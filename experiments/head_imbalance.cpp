// Heads that attend sharply average fewer values, so their outputs vary more over texts (paper, figure 13: low entropy,
// high output variance). Judged in our layers 1 and 2, of which the second is the paper's "layer 1", as the rank
// correlation over the heads of a layer. Deeper, a head of low entropy may look at position 0 alone, whose value hardly
// differs from text to text.
// Cost: one forward pass through two layers.

#include "harness/study/claim.h"
#include "harness/study/measures/rank_correlation.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

/// Mean over the queries q >= 1: [b, H].
Tensor later_entropy(const AttentionStatistics& statistics) {
  return statistics.entropy.slice(2, 1).mean(2, false, at::kDouble);
}

/// [b, T, H, K] -> [b, T - 1, H, K]
Tensor later_outputs(const Tensor& outputs) { return outputs.slice(1, 1).clone(); }

/// How far each head's output lies from its mean over sequences at the same position: log of the mean over positions of
/// the squared distance. outputs [B, T - 1, H, K] -> [B, H]
Tensor log_deviation(const Tensor& outputs) { return (outputs - outputs.mean(0, true)).square().sum(3).mean(1).log(); }

void head_imbalance(Claim& claim) {
  const auto on = claim.primary();
  require_other_positions(on, "head_imbalance");
  const auto least_heads = claim.parameters.integer("least_heads");
  if (claim.config().heads < least_heads) Claim::unmet("fewer than " + std::to_string(least_heads) + " heads");
  if (on.layers() < 2) Claim::unmet("the model has no layer 2");
  auto run = claim.run(on);
  const auto entropy = run.add(only_in({1, 2}, watch_attention({.entropy = true}, later_entropy)));  // [B, H] per layer
  const auto outputs = run.add(only_in({1, 2}, watch(Site::head_output, later_outputs)));
  claim.report([=](Measure& measure) {
    std::vector<Tensor> layers;  // [B] each
    for (const int64_t layer : {1, 2}) {
      layers.push_back(spearman_of_rows(entropy->layer(layer), log_deviation(outputs->layer(layer))));
    }
    measure.judged("entropy_deviation_spearman", on, at::stack(layers).mean(0));
    for (const int64_t layer : {1, 2}) {
      measure.mean("entropy_deviation_spearman_by_layer", on, layers[layer - 1], {{"layer", layer}});
    }
  });
}

REPLICATE_CLAIM(head_imbalance, "judged_on", "natural", "random", "least_heads");

}  // namespace
}  // namespace replicate
