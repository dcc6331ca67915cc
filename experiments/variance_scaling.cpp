// Position k becomes a sink when its head outputs o_k are moved away from their mean over samples, mu + lambda (o_k -
// mu), in every layer before the sink's onset; scaled to the same norm, they do not make one (paper, figures 6 and
// 20: attention to position 10 grows with lambda). mu is a mean over samples: over dimensions it is about 0, and the
// intervention would scale the norm.
// Controls: lambda o_k; o_k with the norm of what the claim puts there; the claim's change after the last spike only.
// Substitutes for o_k (reported) tell "variance" from "looks like a value vector".
// Cost: a pass to the onset for every lambda; to the end for the variance curve, controls, substitutes and the late
// calibration.

#include <algorithm>

#include "base/error.h"
#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/population.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

/// One lane and what is seen of its target k.
struct Observed {
  Condition condition;
  int64_t target = 0;
  std::shared_ptr<Watch> columns;  // [B, 2, T] a layer: attention to positions 0 and k, mean over heads
  std::shared_ptr<Watch> outputs;  // [B, 2, H K] a layer: their head outputs, after the patches

  int64_t length() const { return condition.tokens->length(); }
  /// Mean over the queries after k in one layer, [B].
  Tensor to_first(int64_t layer) const { return after_target(columns->layer(layer).select(1, 0)); }
  Tensor to_target(int64_t layer) const { return after_target(columns->layer(layer).select(1, 1)); }
  /// The same in every layer, [B, L], of a lane that ran to the end.
  Tensor to_first() const { return after_target(columns->layers().select(2, 0)); }
  Tensor to_target() const { return after_target(columns->layers().select(2, 1)); }

 private:
  Tensor after_target(const Tensor& column) const { return attention_to(column, target, length()); }
};

/// 1 for sequences in which the target is a sink, as the survey's layers are, 0 for others: [B].
Tensor is_sink(const Tensor& attention, const Observed& lane) {
  const auto uniform = uniform_attention(lane.target, lane.length());
  return ((attention - uniform) / (1 - uniform) >= kSinkExcess).to(at::kDouble);
}

/// Lanes that differ in lambda alone; lambda 1 is the untouched lane in each.
using Curve = std::map<int64_t, Observed>;

/// One kind of inputs with its own means over samples, and its lanes.
struct Sampled {
  Condition condition;
  Tokens calibration;
  Recording target, first;                // head outputs of positions k and 0 before the onset
  std::shared_ptr<Watch> target_outputs;  // [B', H K] a layer: those of k, to be compared with
  Curve variance, norm, norm_matched;
};

/// Share of the deviations' energy that all sequences have in common, for deviations [B, X] after `products`: 0 when
/// they differ between sequences only, 1 when they are one shift. Unbiased: pairs of different sequences.
Tensor common_share(const Tensor& weights, const Tensor& products) {
  return mean_pairwise(weights, products) / at::matmul(weights, products.diagonal());
}

class VarianceScaling : public Experiment {
 public:
  Plan plan(const Context& context) override {
    if (context.survey.sinks.onset_layer() < 2) return {};
    read(context);
    for (const auto& condition : context.conditions()) {
      const bool primary = sampled_.empty();
      sampled_.push_back(calibrated(condition, context));
      plan_curves(sampled_.back(), primary, context.reports_others);
      if (!primary) continue;
      plan_late(context);
      if (context.reports_others) plan_substitutes(context);
    }
    return std::move(plan_);
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    if (const auto onset = context.survey.sinks.onset_layer(); onset < 2) {
      measure.unmet(onset == 0 ? "no sink: the survey found no layer with excess attention to position 0"
                               : "the sink begins in layer 1: there is no layer before it to act in");
      return measure.take();
    }
    for (const auto& one : sampled_) at_onset(one, measure);
    late_control(context.survey.sinks, measure);
    if (!context.reports_others) return measure.take();
    over_sinks(context.survey.sinks.sink_layers, measure);
    substitutes(context.survey.sinks.sink_layers, measure);
    for (const auto& one : sampled_) deviations(one, measure);
    return measure.take();
  }

 private:
  void read(const Context& context) {
    target_ = context.parameters.integer("target");
    lambdas_ = context.parameters.integers("lambdas");
    lambdas_.push_back(1);  // untouched
    std::sort(lambdas_.begin(), lambdas_.end());
    lambdas_.erase(std::unique(lambdas_.begin(), lambdas_.end()), lambdas_.end());
    if (lambdas_.front() < 1 || lambdas_.back() == 1) {
      throw Error("lambdas must be whole numbers from 1 on, one of them above it", "variance_scaling",
                  "write lambdas: [1, 2, 4, 8]");
    }
    onset_ = context.survey.sinks.onset_layer();
    before_ = {1, onset_ - 1};
    layers_ = context.config().layers;
  }

  int64_t final() const { return lambdas_.back(); }

  // --- Plan -------------------------------------------------------------------------------------------------

  Sampled calibrated(const Condition& condition, const Context& context) {
    check_target(target_, condition, "variance_scaling");
    const auto k = target_;
    const auto outputs = watch(Site::head_output, [k](const Tensor& o) { return o.select(1, k).flatten(1); });
    const auto number = std::to_string(sampled_.size());
    Sampled one{condition,
                calibration_for(condition, context, k),
                record_heads("target" + number, before_, k),
                record_heads("first" + number, before_, 0),
                only_in(layers(before_), outputs),
                {},
                {},
                {}};
    plan_.push_back({condition.model, one.calibration, {}, {one.target_outputs}, {one.target, one.first}});
    return one;
  }

  static std::vector<int64_t> layers(const LayerRange& range) {
    std::vector<int64_t> all;
    for (int64_t layer = range.first; layer <= range.last; ++layer) all.push_back(layer);
    return all;
  }

  Transplant match_norm(int64_t lambda, const Recording& recorded) const {
    auto patch = amplify(recorded, target_, lambda);
    patch.norm_only = true;
    return patch;
  }

  AffinePatch scale_norm(int64_t lambda) const {
    return {.site = Site::head_output,
            .layers = before_,
            .positions = {target_},
            .dimensions = {},
            .scale = static_cast<float>(lambda),
            .shift = {}};
  }

  /// A lane to the end of the model, or to the onset.
  Observed add(const Condition& condition, std::vector<Patch> patches, bool whole) {
    const auto k = target_;
    const auto keys = at::tensor({int64_t{0}, k}, at::kLong);
    Observed one{condition, k, watch_columns({0, k}),
                 only_in(layers(before_), watch(Site::head_output, [keys](const Tensor& o) {
                           return o.index_select(1, keys.to(o.device())).flatten(2);
                         }))};
    if (!whole) one.columns = only_in({onset_}, one.columns);
    plan_.push_back({condition.model, condition.tokens, std::move(patches), {one.columns, one.outputs}});
    return one;
  }

  /// Sink layers after the onset are looked at for the primary condition: the whole variance curve, and both ends of
  /// the norm curves.
  void plan_curves(Sampled& one, bool primary, bool reports_others) {
    const auto untouched = add(one.condition, {}, primary && reports_others);
    for (auto* curve : {&one.variance, &one.norm, &one.norm_matched}) curve->emplace(1, untouched);
    for (const auto lambda : lambdas_) {
      if (lambda == 1) continue;
      const bool last = lambda == final();
      one.variance.emplace(
          lambda, add(one.condition, {amplify(one.target, target_, lambda)}, primary && (last || reports_others)));
      if (!last && !reports_others) continue;
      const bool whole = primary && last && reports_others;
      one.norm.emplace(lambda, add(one.condition, {scale_norm(lambda)}, whole));
      one.norm_matched.emplace(lambda, add(one.condition, {match_norm(lambda, one.target)}, whole));
    }
  }

  void plan_late(const Context& context) {
    const auto& sinks = context.survey.sinks;
    const auto late = sinks.last_spike() + 1;
    if (late == 1 || sinks.sink_layers_after(late - 1).empty()) return;
    const auto& one = sampled_.front();
    const auto recording = record_heads("target_late", {late, layers_}, target_);
    plan_.push_back({one.condition.model, one.calibration, {}, {}, {recording}});
    late_ = add(one.condition, {amplify(recording, target_, final())}, true);
  }

  void plan_substitutes(const Context& context) {
    const auto& one = sampled_.front();
    const auto substitute = [&](const std::string& name, std::vector<Patch> patches) {
      substitutes_.emplace_back(name, add(one.condition, std::move(patches), true));
    };
    substitute("own_value", {RowMask{before_, {target_, {{target_}}}}});
    if (target_ > 1) substitute("other_value", {RowMask{before_, other_row(one.condition, context)}});
    if (one.calibration->sequences() < 2) return;
    auto noise = with_mean(one.first, target_, 1, 1);
    noise.combine = Combine::noise;
    noise.seed = derive_seed(context.seed, "variance_scaling/noise");
    substitute("noise", {with_mean(one.target, target_, 0, 1), noise});
  }

  /// k sees one position of 1..k-1, drawn anew for every sequence.
  MaskedRow other_row(const Condition& condition, const Context& context) const {
    Random random(derive_seed(context.seed, "variance_scaling/other"));
    MaskedRow row{target_, {}};
    for (int64_t b = 0; b < condition.tokens->sequences(); ++b) {
      row.keys.push_back({1 + static_cast<int64_t>(random.below(target_ - 1))});
    }
    return row;
  }

  // --- Reduce -----------------------------------------------------------------------------------------------

  using Value = std::function<Tensor(const Observed&)>;  // [B]

  /// The lambdas of a curve and the values there: [B, lambdas].
  static std::pair<std::vector<double>, Tensor> points(const Curve& curve, const Value& value) {
    std::vector<double> lambdas;
    std::vector<Tensor> values;
    for (const auto& [lambda, one] : curve) {
      lambdas.push_back(static_cast<double>(lambda));
      values.push_back(value(one));
    }
    return {lambdas, at::stack(values, 1)};
  }

  static void by_lambda(const std::string& name, const Curve& curve, const Value& value, Measure& measure) {
    const auto [lambdas, values] = points(curve, value);
    measure.series(name, curve.begin()->second.condition, "lambda", lambdas, values);
  }

  void at_onset(const Sampled& one, Measure& measure) const {
    const Value target = [&](const Observed& lane) { return lane.to_target(onset_); };
    const Value first = [&](const Observed& lane) { return lane.to_first(onset_); };
    by_lambda("attention_to_target_variance", one.variance, target, measure);
    by_lambda("attention_to_first", one.variance, first, measure);
    by_lambda("attention_to_target_norm", one.norm, target, measure);
    by_lambda("attention_to_target_norm_matched", one.norm_matched, target, measure);

    const Value sink = [&](const Observed& lane) { return is_sink(target(lane), lane); };
    by_lambda("sequences_with_target_sink", one.variance, sink, measure);

    const auto& amplified = one.variance.at(final());
    measure.mean("attention_to_target_variance", one.condition, target(amplified));
    measure.mean("attention_to_first", one.condition, first(amplified));
    measure.ratio("target_to_first_ratio", one.condition, target(amplified), first(amplified));
    spearman_of(one, target, measure);
    measure.mean("sequences_with_target_sink", one.condition, sink(amplified));
    measure.mean("attention_to_target_untouched", one.condition, target(one.variance.at(1)));
    measure.mean("attention_to_target_norm", one.condition, target(one.norm.at(final())));
    measure.mean("attention_to_target_norm_matched", one.condition, target(one.norm_matched.at(final())));
  }

  /// Of the mean curve, again in every resample.
  static void spearman_of(const Sampled& one, const Value& value, Measure& measure) {
    const auto [lambdas, values] = points(one.variance, value);
    std::vector<SampleColumn> columns;
    for (const auto& [lambda, lane] : one.variance) {
      columns.push_back({"attention_to_target_variance", {{"lambda", lambda}}});
    }
    measure.of_means({"variance_lambda_spearman"}, one.condition, columns, values,
                     [&x = lambdas](std::span<const double> means) { return std::vector{spearman(x, means)}; });
  }

  void late_control(const SinkProfile& sinks, Measure& measure) const {
    if (!late_) {
      measure.note("No spike, or no sink layer after the last one: the late control does not exist.");
      return;
    }
    const auto late_layers = sinks.sink_layers_after(sinks.last_spike());
    const auto& amplified = sampled_.front().variance.at(final());
    measure.by_layer("attention_to_target_late", late_->condition, late_->to_target(), layers_);
    measure.mean("attention_to_target_late", late_->condition, mean_over_layers(late_->to_target(), late_layers));
    measure.mean("attention_to_target_variance_late_layers", late_->condition,
                 mean_over_layers(amplified.to_target(), late_layers));
  }

  void over_sinks(const std::vector<int64_t>& sinks, Measure& measure) const {
    const auto& one = sampled_.front();
    const auto& condition = one.condition;
    const auto both_ends = [&](const Curve& curve) { return Curve{{1, curve.at(1)}, {final(), curve.at(final())}}; };
    const auto report = [&](const std::string& name, const Curve& curve, const Value& by_layer) {
      const Value value = [&](const Observed& lane) { return mean_over_layers(by_layer(lane), sinks); };
      by_lambda(name + "_sink_mean", curve, value, measure);
      measure.by_layer(name + "_by_layer", condition, by_layer(curve.at(final())), layers_);
      measure.mean(name + "_sink_mean", condition, value(curve.at(final())));
    };
    const Value target = [](const Observed& lane) { return lane.to_target(); };
    const Value first = [](const Observed& lane) { return lane.to_first(); };
    report("attention_to_target_variance", one.variance, target);
    report("attention_to_first", one.variance, first);
    report("attention_to_target_norm", both_ends(one.norm), target);
    report("attention_to_target_norm_matched", both_ends(one.norm_matched), target);
    measure.by_layer("attention_to_target_untouched_by_layer", condition, one.variance.at(1).to_target(), layers_);
  }

  void substitutes(const std::vector<int64_t>& sinks, Measure& measure) const {
    std::string text = "Share of sequences in which the target becomes a sink (excess attention of at least 0.2)";
    for (const auto& [name, one] : substitutes_) {
      const auto metric = "attention_to_target_" + name;
      const auto at_onset = one.to_target(onset_), deep = mean_over_layers(one.to_target(), sinks);
      measure.by_layer(metric + "_by_layer", one.condition, one.to_target(), layers_);
      measure.mean(metric, one.condition, at_onset);
      measure.mean(metric + "_sink_mean", one.condition, deep);
      text += ", " + name + ": " + percent(is_sink(at_onset, one)) + " at the onset, " + percent(is_sink(deep, one)) +
              " over the sink layers";
    }
    if (!substitutes_.empty()) measure.note(text + ".");
  }

  static std::string percent(const Tensor& shares) {
    return std::to_string(std::lround(100 * shares.mean().item<double>())) + "%";
  }

  /// What was amplified, layer by layer: variance, or a shift that all sequences have in common?
  void deviations(const Sampled& one, Measure& measure) const {
    if (one.condition.tokens->sequences() < 2) return;
    const auto report = [&](const std::string& suffix, const Observed& lane) {
      mean_shift("mean_shift_share" + suffix, one, lane, measure);
      variance_ratio("variance_target_to_first" + suffix, lane, measure);
    };
    report("", one.variance.at(final()));
    report("_untouched", one.variance.at(1));
    if (one.condition.tokens->label != sampled_.front().condition.tokens->label) return;
    for (const auto& [name, lane] : substitutes_) {
      variance_ratio("variance_target_to_first_" + name, lane, measure);
    }
  }

  void mean_shift(const std::string& name, const Sampled& one, const Observed& lane, Measure& measure) const {
    by_amplified_layer(name, lane.condition, measure, [&](int64_t layer) -> Statistic {
      const auto mu = one.target_outputs->layer(layer).mean(0, true);  // [1, H K]
      const auto deviation = inner_products(lane.outputs->layer(layer).select(1, 1) - mu);
      return [deviation](const Tensor& weights) { return common_share(weights, deviation); };
    });
  }

  void variance_ratio(const std::string& name, const Observed& lane, Measure& measure) const {
    by_amplified_layer(name, lane.condition, measure, [&](int64_t layer) -> Statistic {
      const auto outputs = lane.outputs->layer(layer);  // [B, 2, H K]
      const auto first = inner_products(outputs.select(1, 0)), target = inner_products(outputs.select(1, 1));
      return [first, target](const Tensor& weights) {
        return population_variance(weights, target) / population_variance(weights, first);
      };
    });
  }

  using Statistic = std::function<Tensor(const Tensor& weights)>;  // [R, B] -> [R]

  /// A series over the layers before the onset, and the last of them as a metric.
  void by_amplified_layer(const std::string& name, const Condition& condition, Measure& measure,
                          const std::function<Statistic(int64_t layer)>& of) const {
    std::vector<double> x;
    std::vector<Statistic> statistics;
    for (const auto layer : layers(before_)) {
      x.push_back(static_cast<double>(layer));
      statistics.push_back(of(layer));
    }
    measure.population_series(name, condition, "layer", x, [&](const Tensor& weights) {
      std::vector<Tensor> columns;
      for (const auto& statistic : statistics) columns.push_back(statistic(weights));
      return at::stack(columns, 1);
    });
    measure.population({name}, condition,
                       [&](const Tensor& weights) { return statistics.back()(weights).unsqueeze(1); },
                       {{"layer", before_.last}});
  }

  Plan plan_;
  int64_t target_ = 0, onset_ = 0, layers_ = 0;
  LayerRange before_;
  std::vector<int64_t> lambdas_;  // sorted, from 1 on
  std::vector<Sampled> sampled_;  // the primary condition first
  std::optional<Observed> late_;
  std::vector<std::pair<std::string, Observed>> substitutes_;
};

REPLICATE_EXPERIMENT(variance_scaling, VarianceScaling, "judged_on", "random", "natural", "calibration.sequences",
                     "target", "lambdas");

}  // namespace
}  // namespace replicate
