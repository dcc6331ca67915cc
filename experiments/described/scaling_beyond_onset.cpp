// Beside the claim variance_scaling: attention over the sink layers, what else makes the target a sink in place of its
// head outputs o_k, and whether what was amplified is variance or a shift that all sequences have in common.
// Substitutes for o_k: its own value vector, that of another position, noise of position 0's covariance.
// Cost: a pass to the end for every lambda, both norm controls and three substitutes.

#include "harness/study/claim.h"
#include "harness/study/measures/scaled_target.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/population.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

// --- Over the sink layers -------------------------------------------------------------------------------------

/// Of a curve: the mean over the sink layers by lambda and for the largest, and the largest by layer.
void report_over_sinks(const std::string& name, const Condition& on, const LambdaCurve& curve, const OfPass& by_layer,
                       const std::vector<int64_t>& sinks, Measure& measure) {
  const OfPass value = [&](const TargetAttention& pass) { return mean_over_layers(by_layer(pass), sinks); };
  const auto& largest = curve.rbegin()->second;
  report_curve(name + "_sink_mean", on, curve, value, measure);
  measure.by_layer(name + "_by_layer", on, by_layer(largest), on.layers());
  measure.mean(name + "_sink_mean", on, value(largest));
}

void scale_over_sinks(Claim& claim, const ScaledTarget& scaled) {
  const auto lambdas = lambdas_of(claim);
  const std::vector<int64_t> ends{1, lambdas.back()};
  const auto variance = declare_curve(claim, scaled, &ScaledTarget::variance, lambdas);
  const auto norm = declare_curve(claim, scaled, &ScaledTarget::norm, ends);
  const auto matched = declare_curve(claim, scaled, &ScaledTarget::norm_matched, ends);
  claim.report([=, on = scaled.on, sinks = claim.sinks()](Measure& measure) {
    const OfPass target = [](const TargetAttention& pass) { return pass.to_target(); };  // [B, L]
    const OfPass first = [](const TargetAttention& pass) { return pass.to_first(); };    // [B, L]
    report_over_sinks("attention_to_target_variance", on, variance, target, sinks, measure);
    report_over_sinks("attention_to_first", on, variance, first, sinks, measure);
    report_over_sinks("attention_to_target_norm", on, norm, target, sinks, measure);
    report_over_sinks("attention_to_target_norm_matched", on, matched, target, sinks, measure);
    const auto untouched = variance.at(1).to_target();  // [B, L]
    measure.by_layer("attention_to_target_untouched_by_layer", on, untouched, on.layers());
  });
}

// --- Substitutes ----------------------------------------------------------------------------------------------

std::vector<int64_t> layers_in(const LayerRange& range) {
  std::vector<int64_t> all;
  for (int64_t layer = range.first; layer <= range.last; ++layer) all.push_back(layer);
  return all;
}

/// Head outputs of positions 0 and k before the onset, after the patches: [B, 2, H K] per layer.
std::shared_ptr<Watch> watch_outputs(const ScaledTarget& scaled) {
  const auto keys = at::tensor({int64_t{0}, scaled.target}, at::kLong);
  const auto both = [keys](const Tensor& outputs) {  // [b, T, H, K]
    return outputs.index_select(1, keys.to(outputs.device())).flatten(2);
  };
  return only_in(layers_in(scaled.before), watch(Site::head_output, both));
}

struct Substitute {
  std::string name;
  TargetAttention attention;
  std::shared_ptr<Watch> outputs;  // [B, 2, H K] per layer
};

/// k sees one position of 1..k-1, drawn anew for every sequence.
MaskedRow other_row(const Claim& claim, const ScaledTarget& scaled) {
  Random random(derive_seed(claim.seed, "variance_scaling/other"));
  MaskedRow row{scaled.target, {}};
  for (int64_t b = 0; b < scaled.on.tokens->sequences(); ++b) {
    row.keys.push_back({1 + static_cast<int64_t>(random.below(scaled.target - 1))});
  }
  return row;
}

/// The mean plus a normal deviation with the covariance of position 0's outputs.
std::vector<Patch> mean_and_noise(Claim& claim, const ScaledTarget& scaled) {
  const auto first = record_calibration(claim, scaled.on, scaled.before, 0);
  auto noise = with_mean(first, scaled.target, 1, 1);
  noise.combine = Combine::noise;
  noise.seed = derive_seed(claim.seed, "variance_scaling/noise");
  return {with_mean(scaled.outputs, scaled.target, 0, 1), noise};
}

std::vector<Substitute> declare_substitutes(Claim& claim, const ScaledTarget& scaled) {
  std::vector<Substitute> substitutes;
  const auto substitute = [&](const std::string& name, std::vector<Patch> patches) {
    auto run = claim.run(scaled.on, std::move(patches));
    substitutes.push_back({name, watch_target(run, scaled.on, scaled.target), run.add(watch_outputs(scaled))});
  };
  substitute("own_value", {only_itself(scaled.target, scaled.before)});
  if (scaled.target > 1) substitute("other_value", {RowMask{scaled.before, other_row(claim, scaled)}});
  const bool has_covariance = calibration_for(scaled.on, claim, scaled.target)->sequences() > 1;
  if (has_covariance) substitute("noise", mean_and_noise(claim, scaled));
  return substitutes;
}

std::string percent(const Tensor& shares) {
  return std::to_string(std::lround(100 * shares.mean().item<double>())) + "%";
}

/// Reports one substitute; returns in how many sequences it makes a sink, in words.
std::string report_substitute(const Condition& on, const Substitute& one, const SinkProfile& sinks, Measure& measure) {
  const auto metric = "attention_to_target_" + one.name;
  const auto by_layer = one.attention.to_target();                        // [B, L]
  const auto at_onset = one.attention.to_target(sinks.onset_layer());     // [B]
  const auto over_sinks = mean_over_layers(by_layer, sinks.sink_layers);  // [B]
  measure.by_layer(metric + "_by_layer", on, by_layer, on.layers());
  measure.mean(metric, on, at_onset);
  measure.mean(metric + "_sink_mean", on, over_sinks);
  return ", " + one.name + ": " + percent(is_sink(at_onset, one.attention)) + " at the onset, " +
         percent(is_sink(over_sinks, one.attention)) + " over the sink layers";
}

void report_substitutes(Claim& claim, const Condition& on, const std::vector<Substitute>& substitutes) {
  claim.report([=, sinks = claim.survey.sinks](Measure& measure) {
    std::string text = "Share of sequences in which the target becomes a sink (excess attention of at least 0.2)";
    for (const auto& one : substitutes) text += report_substitute(on, one, sinks, measure);
    measure.note(text + ".");
  });
}

// --- Deviations -----------------------------------------------------------------------------------------------

using Statistic = std::function<Tensor(const Tensor& weights)>;  // [R, B] -> [R]
using OfLayer = std::function<Statistic(int64_t layer)>;

/// Share of the deviations' energy that all sequences have in common, for deviations [B, X] after `products`: 0 when
/// they differ between sequences only, 1 when they are one shift. Unbiased: pairs of different sequences.
Tensor common_share(const Tensor& weights, const Tensor& products) {
  return mean_pairwise(weights, products) / at::matmul(weights, products.diagonal());
}

/// `calibrated`: k's outputs in the calibration sequences, [B', H K] per layer.
OfLayer shift_share(const std::shared_ptr<Watch>& outputs, const std::shared_ptr<Watch>& calibrated) {
  return [=](int64_t layer) -> Statistic {
    const auto mu = calibrated->layer(layer).mean(0, true);  // [1, H K]
    const auto deviation = inner_products(outputs->layer(layer).select(1, 1) - mu);
    return [deviation](const Tensor& weights) { return common_share(weights, deviation); };
  };
}

OfLayer variance_ratio(const std::shared_ptr<Watch>& outputs) {
  return [=](int64_t layer) -> Statistic {
    const auto both = outputs->layer(layer);                                                           // [B, 2, H K]
    const auto first = inner_products(both.select(1, 0)), target = inner_products(both.select(1, 1));  // [B, B]
    return [first, target](const Tensor& weights) {
      return population_variance(weights, target) / population_variance(weights, first);
    };
  };
}

/// A series over the layers before the onset, and the last of them as a metric.
void report_by_layer(const std::string& name, const ScaledTarget& scaled, const OfLayer& of, Measure& measure) {
  const auto layers = layers_in(scaled.before);
  std::vector<Statistic> statistics;
  for (const auto layer : layers) statistics.push_back(of(layer));
  const auto every = [&](const Tensor& weights) {
    std::vector<Tensor> columns;  // [R] each
    for (const auto& statistic : statistics) columns.push_back(statistic(weights));
    return at::stack(columns, 1);
  };
  const auto last = [&](const Tensor& weights) { return statistics.back()(weights).unsqueeze(1); };
  measure.population_series(name, scaled.on, "layer", {layers.begin(), layers.end()}, every);
  measure.population({name}, scaled.on, last, {{"layer", scaled.before.last}});
}

/// What was amplified, layer by layer: variance, or a shift that all sequences have in common?
void report_deviations(Claim& claim, const ScaledTarget& scaled, const std::vector<Substitute>& substitutes) {
  const auto& on = scaled.on;
  const auto k = scaled.target;
  if (on.tokens->sequences() < 2) return;
  const auto of_target =
      watch(Site::head_output, [k](const Tensor& outputs) { return outputs.select(1, k).flatten(1); });
  const auto calibrated = claim.run({calibration_for(on, claim, k), on.model, {}})
                              .add(only_in(layers_in(scaled.before), of_target));  // [B', H K] per layer
  const auto amplified = claim.run(on, {scaled.variance(lambdas_of(claim).back())}).add(watch_outputs(scaled));
  const auto untouched = claim.run(on).add(watch_outputs(scaled));
  claim.report([=](Measure& measure) {
    report_by_layer("mean_shift_share", scaled, shift_share(amplified, calibrated), measure);
    report_by_layer("variance_target_to_first", scaled, variance_ratio(amplified), measure);
    report_by_layer("mean_shift_share_untouched", scaled, shift_share(untouched, calibrated), measure);
    report_by_layer("variance_target_to_first_untouched", scaled, variance_ratio(untouched), measure);
    for (const auto& one : substitutes) {
      report_by_layer("variance_target_to_first_" + one.name, scaled, variance_ratio(one.outputs), measure);
    }
  });
}

void scaling_beyond_onset(Claim& claim) {
  const auto primary = scale_target(claim, claim.primary());
  scale_over_sinks(claim, primary);
  const auto substitutes = declare_substitutes(claim, primary);
  report_substitutes(claim, primary.on, substitutes);
  report_deviations(claim, primary, substitutes);
  const auto conditions = claim.conditions();
  for (size_t i = 1; i < conditions.size(); ++i) report_deviations(claim, scale_target(claim, conditions[i]), {});
}

REPLICATE_DESCRIPTION(variance_scaling, scaling_beyond_onset, "judged_on", "random", "natural", "calibration.sequences",
                      "target", "lambdas");

}  // namespace
}  // namespace replicate
