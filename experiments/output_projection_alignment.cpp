// W_O reads most from the value dimensions that vary most at position 0, so that position 0 is still the outlier
// after it (paper, figure 7: Kendall's tau between the absolute weights of each output and position 0's input
// variance, mean 0.32 in Llama-2's layer 1, our layer 2). Tau depends on the basis of the value space (W_V -> S W_V,
// W_O -> W_O S^-1 leaves the function alone); what survives W_O does not, and holds by arithmetic at random
// initialisation. Tau is held against permutations of the value dimensions and against the variance at positions
// 10 to 30; the projection against W_O with its inputs permuted.
// Cost: the judged sequences through all layers once, for the ratio by layer; two layers for everything else.

#include <cstdio>

#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/output_alignment.h"
#include "harness/study/measures/position_variance.h"

namespace replicate {
namespace {

constexpr double kPaperTau = 0.32;                    // Llama-2, figure 7
constexpr int64_t kFirstLater = 10, kLastLater = 30;  // positions whose variance position 0's is held against
constexpr int64_t kQuantiles = 101;                   // of tau over outputs

struct Observed {
  Condition condition;
  std::shared_ptr<PositionVariance> before, after;  // of W_O
  std::shared_ptr<ProjectionProbe> projection;
};

class OutputProjectionAlignment : public Experiment {
 public:
  Plan plan(const Context& context) override {
    layers_ = variance_layers(context.config());
    draw_permutations(context);
    Plan plan;
    for (const auto& condition : context.conditions()) {
      const bool judged = observed_.empty();
      if (!judged && !context.reports_others) break;
      require_positions(condition, "output_projection_alignment");
      Observed one{condition, std::make_shared<PositionVariance>(Site::head_output, layers_, false),
                   std::make_shared<PositionVariance>(Site::projected, layers_, judged && context.reports_others),
                   std::make_shared<ProjectionProbe>(layers_)};
      plan.push_back({condition.model, condition.tokens, {}, {one.before, one.after, one.projection}});
      observed_.push_back(std::move(one));
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    if (same_first_token(judged())) {
      measure.inapplicable(
          "every sequence begins with the same token: the variance at position 0 is 0 by construction");
      return measure.take();
    }
    for (const auto& one : observed_) {
      if (same_first_token(one.condition)) continue;
      for (const auto layer : layers_) {
        projected(one, layer, context, measure);
        aligned(one, layer, context, measure);
      }
    }
    beside(context, measure);
    return measure.take();
  }

 private:
  const Condition& judged() const { return observed_.front().condition; }

  void draw_permutations(const Context& context) {
    Random random(derive_seed(context.seed, "output_projection_alignment/permutations"));
    const auto dimensions = context.config().kv_heads * context.config().head_width;
    for (int64_t i = 0; i < context.parameters.integer("permutations"); ++i) {
      permutations_.push_back(at::tensor(random.permutation(dimensions), at::kLong));
    }
  }

  /// Whether position 0 is the outlier after W_O too.
  void projected(const Observed& one, int64_t layer, const Context& context, Measure& measure) const {
    const auto series = [&](const std::string& name, const PositionVariance& variance) {
      measure.population_series(in_layer(name, layer), one.condition, "position", variance_positions(),
                                [&](const Tensor& w) { return variance.by_position(layer, w); });
    };
    series("variance_by_position", *one.before);
    series("variance_by_position_projected", *one.after);
    const auto permuted = by_permuted_projection(one, layer, context);
    const auto ratios = [&](const Tensor& weights) {
      const auto after = one.after->ratio(layer, weights), by_chance = permuted.ratio(weights);
      return at::stack({one.before->ratio(layer, weights), after, by_chance, after / by_chance}, 1);
    };
    measure.population({"variance_ratio_before", "variance_ratio_after", "variance_ratio_after_permuted",
                        "variance_ratio_after_to_permuted"},
                       one.condition, ratios, {{"layer", layer}});
  }

  /// Variances after a W_O that does not know where they lie: mean over permutations of its inputs.
  FirstAndRest by_permuted_projection(const Observed& one, int64_t layer, const Context& context) const {
    const auto some =
        std::min(static_cast<size_t>(context.parameters.integer("permuted_projections")), permutations_.size());
    const auto metric =
        permuted_metric(context.config(), one.projection->weight(layer), std::span(permutations_).first(some));
    return FirstAndRest(one.projection->outputs(layer).flatten(2), metric);
  }

  void aligned(const Observed& one, int64_t layer, const Context& context, Measure& measure) const {
    const OutputAlignment alignment(context.config(), one.projection->outputs(layer), one.projection->weight(layer));
    const auto by_chance = alignment.permuted_tau(permutations_, 0.95);
    const auto resamples = context.parameters.integer("tau_resamples");
    const auto taus = [&](const Tensor& weights) {
      const auto first = alignment.mean_tau(weights, 0);
      const auto later = alignment.mean_tau(weights, kFirstLater, kLastLater);
      return at::stack({first, first - by_chance, first - later, first - kPaperTau}, 1);
    };
    measure.population({"kendall_tau_mean", "kendall_tau_over_permutations", "kendall_tau_over_later",
                        "kendall_tau_distance_to_paper"},
                       one.condition, taus, {{"layer", layer}}, {.most = resamples});
    if (layer == 2) {  // the paper's layer 1, by a name that a model's file can judge
      measure.population({"kendall_tau_mean_layer2"}, one.condition,
                         [&](const Tensor& weights) { return alignment.mean_tau(weights, 0).unsqueeze(1); }, {},
                         {.most = resamples});
    }
    tau_series(one, layer, alignment, measure);
  }

  void tau_series(const Observed& one, int64_t layer, const OutputAlignment& alignment, Measure& measure) const {
    const auto taus = alignment.taus();
    std::vector<double> share, quantiles, by_position;
    for (int64_t i = 0; i < kQuantiles; ++i) {
      share.push_back(static_cast<double>(i) / (kQuantiles - 1));
      quantiles.push_back(quantile(taus, share.back()));
    }
    const auto even = even_weights(one.condition.tokens->sequences());
    for (int64_t p = 0; p < kVariancePositions; ++p) {
      by_position.push_back(alignment.mean_tau(even, p).item<double>());
    }
    measure.curve(in_layer("kendall_tau", layer), one.condition, "output_quantile", share, at::tensor(quantiles));
    measure.curve(in_layer("kendall_tau_by_position", layer), one.condition, "position", variance_positions(),
                  at::tensor(by_position));
    if (&one == &observed_.front()) measure.note(distance(layer, mean(taus)));
  }

  static std::string distance(int64_t layer, double tau) {
    char text[200];
    std::snprintf(
        text, sizeof text, "Layer %lld: mean tau %.3f, %.3f %s the %.2f of Llama-2's layer 2 (the paper's layer 1).",
        static_cast<long long>(layer), tau, std::abs(tau - kPaperTau), tau < kPaperTau ? "below" : "above", kPaperTau);
    return text;
  }

  void beside(const Context& context, Measure& measure) const {
    const auto& trained = observed_.front();
    const auto& null = observed_.back();
    if (context.reports_others) measure_by_layer("variance_ratio_after", judged(), *trained.after, measure);
    if (null.condition.suffix != "_null" || !same_ids(*null.condition.tokens, *judged().tokens)) return;
    measure_minus_null("variance_ratio_after_minus_null", judged(), layers_, *trained.after, *null.after, measure);
  }

  std::vector<int64_t> layers_;
  std::vector<Tensor> permutations_;  // of the G K value dimensions
  std::vector<Observed> observed_;    // the judged condition first
};

REPLICATE_EXPERIMENT(output_projection_alignment, OutputProjectionAlignment, "judged_on", "random", "natural",
                     "null_model", "permutations", "permuted_projections", "tau_resamples");

}  // namespace
}  // namespace replicate
