// Models trained with head-wise RMSNorm keep their hidden states in more directions than the baseline (paper, figure
// 15: effective rank, mean over layers, 343.71 against 445.96). Judged on the stacked rank of all tokens together, the
// form of those numbers; without the first tokens, and across the baseline's largest spike, beside it.
// Cost: one forward pass per run plus eigenvalues of two D x D matrices per layer.

#include "harness/study/claim.h"
#include "harness/study/measures/effective_rank.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

constexpr const char* kPrimary = "head_rms_norm";

/// What is observed of one run's last model.
struct Seen {
  std::shared_ptr<StackedRank> rank;
  std::shared_ptr<Watch> norms;  // [B, L + 1, 3]

  /// Position 0's norm over the others' median at the input of each layer and at the end: [L + 1].
  std::vector<double> norm_ratio() const {
    const auto means = norms->layers().mean(0);
    return to_vector<double>(means.select(1, 0) / means.select(1, 2));
  }
  std::vector<double> ranks() const { return to_vector<double>(rank->residual()); }  // [L + 1]
  std::vector<double> ranks_without_first() const { return to_vector<double>(rank->residual_without_first()); }
};

/// Over the inputs of layers 1..L; what leaves layer L is no layer's input.
double layer_mean(const std::vector<double>& residual) { return mean(std::span(residual).first(residual.size() - 1)); }

/// By how much the rank falls across a layer, counted from 1.
double drop(const std::vector<double>& residual, int64_t layer) { return 1 - residual[layer] / residual[layer - 1]; }

/// The layer across which the norm ratio grows most, mean over the baseline's finished runs; 0 without one.
int64_t largest_spike(const BySeed<Seen>& seeds) {
  std::vector<double> growth;
  for (const auto& seen : seeds) {
    if (!seen) continue;
    const auto ratio = seen->norm_ratio();
    growth.resize(ratio.size() - 1);
    for (size_t i = 0; i < growth.size(); ++i) growth[i] += ratio[i + 1] / ratio[i];
  }
  if (growth.empty()) return 0;
  return std::max_element(growth.begin(), growth.end()) - growth.begin() + 1;
}

using Ranks = std::vector<double> (Seen::*)() const;
using SeenByArm = std::map<std::string, BySeed<Seen>>;

std::vector<double> mean_ranks(const BySeed<Seen>& seeds, Ranks ranks) {
  return per_seed(seeds, [&](const Seen& seen) { return layer_mean((seen.*ranks)()); });
}

void report_difference(const SeenByArm& seen, const std::string& arm, SeedMeasure& measure) {
  const auto suffix = arm == kPrimary ? "" : "_" + arm;
  const auto difference = [&](Ranks ranks) {
    return differences(mean_ranks(seen.at(arm), ranks), mean_ranks(seen.at(kBaseline), ranks));
  };
  measure.mean("effective_rank_difference" + suffix, difference(&Seen::ranks));
  measure.mean("effective_rank_difference_without_first" + suffix, difference(&Seen::ranks_without_first));
}

void report_by_layer(const std::string& arm, const BySeed<Seen>& seeds, int64_t layers, SeedMeasure& measure) {
  const auto by_layer = [&](const std::string& name, Ranks ranks) {
    measure.curve(name, arm, "layer", layer_numbers(layers), rows_per_seed(seeds, layers, [&](const Seen& seen) {
                    auto row = (seen.*ranks)();
                    row.pop_back();  // what leaves layer L
                    return row;
                  }));
  };
  by_layer("effective_rank", &Seen::ranks);
  by_layer("effective_rank_without_first", &Seen::ranks_without_first);
}

/// Across the layer where the baseline's spike is, the same in every arm.
void report_across(int64_t spike, const std::string& arm, const BySeed<Seen>& seeds, SeedMeasure& measure) {
  const auto mean_of = [&](const std::string& name, auto f) {
    measure.mean(name + "_" + arm, per_seed(seeds, f), {{"layer", spike}});
  };
  mean_of("norm_growth", [&](const Seen& seen) {
    const auto ratio = seen.norm_ratio();
    return ratio[spike] / ratio[spike - 1];
  });
  mean_of("effective_rank_drop", [&](const Seen& seen) { return drop(seen.ranks(), spike); });
  mean_of("effective_rank_drop_without_first",
          [&](const Seen& seen) { return drop(seen.ranks_without_first(), spike); });
}

void report_arms(const ComparedArms& arms, const SeenByArm& seen, int64_t layers, SeedMeasure& measure) {
  for (const auto& arm : arms.names()) {
    if (arm != kBaseline) report_difference(seen, arm, measure);
  }
  for (const auto& arm : arms.names()) {
    measure.mean("effective_rank_" + arm, mean_ranks(seen.at(arm), &Seen::ranks));
    report_by_layer(arm, seen.at(arm), layers, measure);
  }
  const auto spike = arms.has(kBaseline) ? largest_spike(seen.at(kBaseline)) : 0;
  if (spike == 0) return;
  for (const auto& arm : arms.names()) report_across(spike, arm, seen.at(arm), measure);
}

void rank_preservation(TrainingClaim& claim) {
  const auto& config = claim.trained().config;
  const ComparedArms arms(claim.trained().own_rate, claim.arms);
  const auto tokens = claim.trained().validation(claim.parameters.integer("validation.sequences"), Region::measure);
  require_stackable(tokens->sequences() * (tokens->length() - 1), config.width, "rank_preservation");
  SeenByArm seen;
  for (const auto& arm : arms.names()) {
    seen[arm] = look_at(arms.runs(arm), [&](const TrainedRun& trained) {
      auto run = claim.run(trained.last(), tokens);
      return Seen{run.add(std::make_shared<StackedRank>()), run.add(watch_norms())};
    });
  }
  claim.report([=, layers = config.layers](SeedMeasure& measure) {
    report_arms(arms, seen, layers, measure);
    arms.note_stopped(measure);
  });
  if (const auto missing = arms.missing({kBaseline, kPrimary}); !missing.empty()) Claim::unmet(missing);
}

REPLICATE_CLAIM(rank_preservation, "validation.sequences");

}  // namespace
}  // namespace replicate
