// A constant direction suffices for the sink; that it is sparse, one or two dimensions of the residual stream, is not
// needed (beyond the paper; its figures 11 and 14 show the sparsity). The RMSNorm gains are folded into the weights
// and the stream is rotated by a random orthogonal matrix: the model computes the same function, so that attention
// and logits must stay (by arithmetic, up to rounding), while no dimension dominates any more.
// Control: what is left of the dominance is compared with the untouched model's, which must have some to lose.
// Cost: two forward passes, and 2 D operations a weight to rotate the weights.

#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/disparity.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/rotated_weights.h"

namespace replicate {
namespace {

/// n positions of 0..length-1, evenly spaced, the last one among them.
std::vector<int64_t> spaced_positions(int64_t n, int64_t length) {
  std::vector<int64_t> positions;
  for (int64_t i = 1; i <= n; ++i) positions.push_back(std::max<int64_t>(i * length / n, 1) - 1);
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return positions;
}

/// One of the two models and what is seen of it.
struct Observed {
  Condition condition;
  std::shared_ptr<Watch> column;     // [B, L, 1, T] attention to position 0, mean over heads
  std::shared_ptr<Watch> dominance;  // [B, L, 2]: position 0 and the mean over the rest
  std::shared_ptr<Watch> normed;     // [B, P, D] after the final norm, at a few positions

  int64_t layers() const { return condition.model->config.layers; }
  Tensor attention_to_first() const {  // [B, L]
    return attention_to(column->layers().select(2, 0), 0, condition.tokens->length());
  }
  /// At the few positions only: [B, P, V] of all of them would be the largest tensor of the run.
  Tensor logits() const {
    const auto head = condition.model->weights->head();
    const auto last = normed->layer(layers() + 1).to(at::kFloat).to(head.device());
    return at::linear(last, head).to(at::kDouble).cpu();
  }
};

Observed observe(Condition condition, const std::vector<int64_t>& positions) {
  return {std::move(condition), watch_columns({0}),
          watch(Site::block_input, [](const Tensor& hidden) { return first_and_rest(dominance_ratio(hidden)); }),
          watch(Site::final_norm, [positions](const Tensor& normed) {
            return normed.index_select(1, at::tensor(positions, normed.options().dtype(at::kLong)));
          })};
}

class Rotation : public Experiment {
 public:
  Plan plan(const Context& context) override {
    if (context.survey.sinks.sink_layers.empty() || !can_be_rotated(context.config())) return {};
    const auto primary = context.primary();
    const auto rotated = std::make_shared<const Model>(
        Model{context.model->name + ", rotated", context.config(),
              rotated_weights(context.model->weights, context.config(), derive_seed(context.seed, "rotation"))});
    positions_ = spaced_positions(context.parameters.integer("logit_positions"), primary.tokens->length());
    untouched_ = observe(primary, positions_);
    rotated_ = observe({primary.tokens, rotated, "_rotated"}, positions_);
    Plan plan;
    for (const auto& one : {*untouched_, *rotated_}) {
      plan.push_back({one.condition.model, one.condition.tokens, {}, {one.column, one.dominance, one.normed}});
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    if (!can_be_rotated(context.config())) {
      measure.inapplicable(
          context.config().layer_norm
              ? "LayerNorm subtracts a mean over dimensions, which stands in the basis of the residual stream"
              : "norms with gains after attention and FFN stand in the basis of the residual stream");
      return measure.take();
    }
    const auto& sinks = context.survey.sinks.sink_layers;
    if (sinks.empty()) {
      measure.unmet("no sink: the survey found no layer with excess attention to position 0");
      return measure.take();
    }
    attention(sinks, measure);
    for (const auto& one : {*untouched_, *rotated_}) dominance(one, sinks, measure);
    logits(measure);
    return measure.take();
  }

 private:
  void attention(const std::vector<int64_t>& sinks, Measure& measure) const {
    const auto before = untouched_->attention_to_first(), after = rotated_->attention_to_first();
    const auto change = (after - before).abs();  // [B, L]
    const auto both = [&](const std::string& name, const Condition& condition, const Tensor& values) {
      measure.by_layer(name, condition, values, untouched_->layers());
      measure.mean(name, condition, mean_over_layers(values, sinks));
    };
    both("attention_to_first", untouched_->condition, before);
    both("attention_to_first", rotated_->condition, after);
    measure.by_layer("attention_to_first_change", untouched_->condition, change, untouched_->layers());
    measure.mean("attention_to_first_change", untouched_->condition, change.amax(1));
  }

  static void dominance(const Observed& one, const std::vector<int64_t>& sinks, Measure& measure) {
    const auto values = one.dominance->layers();
    const auto first = values.select(2, 0), rest = values.select(2, 1);  // [B, L]
    measure.by_layer("dominance_ratio", one.condition, first, one.layers());
    measure.by_layer("dominance_ratio_rest", one.condition, rest, one.layers());
    measure.mean("dominance_ratio", one.condition, mean_over_layers(first, sinks));
    measure.mean("dominance_ratio_rest", one.condition, mean_over_layers(rest, sinks));
    measure.ratio("dominance_over_rest", one.condition, mean_over_layers(first, sinks), mean_over_layers(rest, sinks));
  }

  /// The largest difference over the vocabulary, also in standard deviations of the logits.
  void logits(Measure& measure) const {
    const auto before = untouched_->logits(), after = rotated_->logits();  // [B, P, V]
    const auto difference = (after - before).abs().amax(2);                // [B, P]
    const auto& condition = untouched_->condition;
    measure.series("largest_logit_difference", condition, "position", {positions_.begin(), positions_.end()},
                   difference);
    measure.mean("largest_logit_difference", condition, difference.amax(1));
    measure.ratio("largest_logit_difference_relative", condition, difference.amax(1), before.std(2, false).mean(1));
    measure.mean("same_prediction_share", condition, before.argmax(2).eq(after.argmax(2)).to(at::kDouble).mean(1));
  }

  std::vector<int64_t> positions_;  // where logits are compared
  std::optional<Observed> untouched_, rotated_;
};

REPLICATE_EXPERIMENT(rotation, Rotation, "natural", "logit_positions");

}  // namespace
}  // namespace replicate
