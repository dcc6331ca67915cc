// Models trained with head-wise RMSNorm keep their hidden states in more directions than the baseline (paper, figure
// 15: effective rank, mean over layers, 343.71 against 445.96). Judged on the stacked rank of all tokens together, the
// form of those numbers; without the first tokens, and across the baseline's largest spike, beside it.
// Cost: one forward pass a run plus eigenvalues of two D x D matrices a layer.

#include "harness/study/compared_arms.h"
#include "harness/study/experiment.h"
#include "harness/study/measures/effective_rank.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

constexpr const char* kPrimary = "head_rms_norm";

/// What is looked at in one run's last model.
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

class RankPreservation : public Experiment {
 public:
  Plan plan(const Context& context) override {
    const auto& training = *context.training;
    arms_.emplace(training.own_rate, context.arms);
    const auto tokens = training.validation(context.parameters.integer("validation.sequences"), Region::measure);
    require_stackable(tokens->sequences() * (tokens->length() - 1), training.config.width, "rank_preservation");
    Plan plan;
    for (const auto& arm : arms_->names()) {
      seen_[arm] = look_at(arms_->runs(arm), [&](const TrainedRun& run) {
        Seen seen{std::make_shared<StackedRank>(), watch_norms()};
        plan.push_back({run.last().model, tokens, {}, {seen.rank, seen.norms}});
        return seen;
      });
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    const auto& training = *context.training;
    SeedMeasure measure;
    for (const auto& arm : arms_->names()) {
      if (arm != kBaseline) compare(arm, measure);
    }
    for (const auto& arm : arms_->names()) {
      measure.mean("effective_rank_" + arm, mean_ranks(arm, &Seen::ranks));
      series(arm, training.config.layers, measure);
    }
    if (arms_->has(kBaseline)) across_spike(largest_spike(seen_.at(kBaseline)), measure);
    arms_->note_stopped(measure);
    if (const auto missing = arms_->missing({kBaseline, kPrimary}); !missing.empty()) measure.unmet(missing);
    return measure.take();
  }

 private:
  using Ranks = std::vector<double> (Seen::*)() const;

  std::vector<double> mean_ranks(const std::string& arm, Ranks ranks) const {
    return per_seed(seen_.at(arm), [&](const Seen& seen) { return layer_mean((seen.*ranks)()); });
  }

  void compare(const std::string& arm, SeedMeasure& measure) const {
    const auto suffix = arm == kPrimary ? "" : "_" + arm;
    const auto difference = [&](Ranks ranks) {
      return differences(mean_ranks(arm, ranks), mean_ranks(kBaseline, ranks));
    };
    measure.mean("effective_rank_difference" + suffix, difference(&Seen::ranks));
    measure.mean("effective_rank_difference_without_first" + suffix, difference(&Seen::ranks_without_first));
  }

  void series(const std::string& arm, int64_t layers, SeedMeasure& measure) const {
    const auto by_layer = [&](const std::string& name, Ranks ranks) {
      measure.curve(name, arm, "layer", layer_numbers(layers),
                    rows_per_seed(seen_.at(arm), layers, [&](const Seen& seen) {
                      auto row = (seen.*ranks)();
                      row.pop_back();  // what leaves layer L
                      return row;
                    }));
    };
    by_layer("effective_rank", &Seen::ranks);
    by_layer("effective_rank_without_first", &Seen::ranks_without_first);
  }

  /// The same layer in every arm: where the baseline's spike is.
  void across_spike(int64_t spike, SeedMeasure& measure) const {
    if (spike == 0) return;
    const std::map<std::string, int64_t> where{{"layer", spike}};
    for (const auto& arm : arms_->names()) {
      const auto of_seeds = [&](auto f) { return per_seed(seen_.at(arm), f); };
      measure.mean("norm_growth_" + arm, of_seeds([&](const Seen& seen) {
                     const auto ratio = seen.norm_ratio();
                     return ratio[spike] / ratio[spike - 1];
                   }),
                   where);
      measure.mean("effective_rank_drop_" + arm, of_seeds([&](const Seen& seen) { return drop(seen.ranks(), spike); }),
                   where);
      measure.mean("effective_rank_drop_without_first_" + arm,
                   of_seeds([&](const Seen& seen) { return drop(seen.ranks_without_first(), spike); }), where);
    }
  }

  std::optional<ComparedArms> arms_;
  std::map<std::string, BySeed<Seen>> seen_;
};

REPLICATE_TRAINING_EXPERIMENT(rank_preservation, RankPreservation, "validation.sequences");

}  // namespace
}  // namespace replicate
