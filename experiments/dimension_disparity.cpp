// At a sink, position 0's residual stream is dominated by one or two dimensions, so that RMSNorm turns it into
// nearly the same direction whatever the token was (paper, figures 11 and 14; Llama-2-7B: max|h| / mean|h|
// above 200, 262.88 after the norm). Cost: one forward pass per condition.

#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/disparity.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

/// Share of the four largest components in |h|^2; RMSNorm without gain leaves it alone.
Tensor top4_energy(const Tensor& hidden) {
  const auto energy = hidden.to(at::kDouble).square();
  return std::get<0>(energy.topk(4, -1)).sum(-1) / energy.sum(-1);
}

struct Observed {
  Condition condition;
  std::shared_ptr<Watch> dominance, normed, energy;  // [B, L, 2]
};

/// Mean over the listed layers of [B, L, 2] at position 0 (which = 0) or the rest (1): [B].
Tensor over_layers(const Watch& watch, const std::vector<int64_t>& layers, int64_t which) {
  std::vector<Tensor> chosen;
  for (const auto layer : layers) chosen.push_back(watch.layer(layer).select(1, which));
  return at::stack(chosen, 0).mean(0);
}

class DimensionDisparity : public Experiment {
 public:
  Plan plan(const Context& context) override {
    Plan plan;
    for (const auto& condition : context.conditions()) {
      const auto by_position = [](Tensor (*measure)(const Tensor&)) {
        return [=](const Tensor& hidden) { return first_and_rest(measure(hidden)); };
      };
      Observed one{condition, watch(Site::block_input, by_position(dominance_ratio)),
                   watch(Site::attention_normed, by_position(dominance_ratio)),
                   watch(Site::block_input, by_position(top4_energy))};
      plan.push_back({condition.model, condition.tokens, {}, {one.dominance, one.normed, one.energy}});
      observed_.push_back(std::move(one));
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    for (const auto& one : observed_) series(one, context.config().layers, measure);
    const auto& sinks = context.survey.sinks.sink_layers;
    if (sinks.empty()) {
      measure.unmet("no sink: the survey found no layer with excess attention to position 0");
      return measure.take();
    }
    for (const auto& one : observed_) over_sink_layers(one, sinks, measure);
    if (const auto layer = context.parameters.integer("named_layer"); layer > 0) named(layer, measure);
    return measure.take();
  }

 private:
  static void series(const Observed& one, int64_t layers, Measure& measure) {
    const auto both = [&](const std::string& name, const Watch& watch) {
      const auto values = watch.layers();
      measure.by_layer(name, one.condition, values.select(2, 0), layers);
      measure.by_layer(name + "_rest", one.condition, values.select(2, 1), layers);
    };
    both("dominance_ratio", *one.dominance);
    both("dominance_ratio_normed", *one.normed);
    both("top4_energy", *one.energy);
  }

  static void over_sink_layers(const Observed& one, const std::vector<int64_t>& sinks, Measure& measure) {
    const auto first = over_layers(*one.dominance, sinks, 0);
    const auto rest = over_layers(*one.dominance, sinks, 1);
    measure.mean("dominance_ratio", one.condition, first);
    measure.mean("dominance_ratio_rest", one.condition, rest);
    measure.ratio("dominance_over_rest", one.condition, first, rest);
    measure.mean("dominance_ratio_normed", one.condition, over_layers(*one.normed, sinks, 0));
    measure.mean("top4_energy", one.condition, over_layers(*one.energy, sinks, 0));
    measure.mean("top4_energy_rest", one.condition, over_layers(*one.energy, sinks, 1));
  }

  /// The layer for which a paper gives a number.
  void named(int64_t layer, Measure& measure) const {
    const auto& primary = observed_.front();
    measure.mean("dominance_ratio_normed_named", primary.condition, primary.normed->layer(layer).select(1, 0));
  }

  std::vector<Observed> observed_;
};

REPLICATE_EXPERIMENT(dimension_disparity, DimensionDisparity, "natural", "random", "null_model", "named_layer");

}  // namespace
}  // namespace replicate
