// Position k becomes a sink when its head outputs o_k are moved away from their mean over samples, mu + lambda (o_k -
// mu), in every layer before the sink's onset; scaled to the same norm, they do not make one (paper, figures 6 and
// 20: attention to position 10 grows with lambda). mu is a mean over samples: over dimensions it is about 0, and the
// intervention would scale the norm.
// Controls: lambda o_k; o_k with the norm of what the claim puts there; the claim's change after the last spike only.
// Cost: a pass to the onset for every lambda and curve; to the end for the largest lambda and the late control.
// experiments/described/scaling_beyond_onset.cpp has the layers after the onset, and substitutes for o_k that tell
// "variance" from "looks like a value vector".

#include "harness/study/claim.h"
#include "harness/study/measures/scaled_target.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

/// Attention at the onset layer, by lambda.
struct Curves {
  LambdaCurve variance, norm, norm_matched;
};

/// In a variation the two norm curves have their ends alone.
Curves declare_curves(Claim& claim, const ScaledTarget& scaled) {
  const auto onset = claim.survey.sinks.onset_layer();
  const auto lambdas = lambdas_of(claim);
  const auto of_norm = claim.reports_others ? lambdas : std::vector<int64_t>{1, lambdas.back()};
  return {.variance = declare_curve(claim, scaled, &ScaledTarget::variance, lambdas, {onset}),
          .norm = declare_curve(claim, scaled, &ScaledTarget::norm, of_norm, {onset}),
          .norm_matched = declare_curve(claim, scaled, &ScaledTarget::norm_matched, of_norm, {onset})};
}

/// Of the mean curve, again in every resample.
void report_spearman(const Condition& on, const LambdaCurve& variance, const OfPass& to_target, Measure& measure) {
  std::vector<SampleColumn> columns;
  for (const auto& [lambda, pass] : variance) {
    columns.push_back({"attention_to_target_variance", {{"lambda", lambda}}});
  }
  measure.of_means(
      {"variance_lambda_spearman"}, on, columns, along(variance, to_target),
      [x = lambdas_along(variance)](std::span<const double> means) { return std::vector{spearman(x, means)}; });
}

void report_at_onset(const Condition& on, const Curves& curves, int64_t onset, Measure& measure) {
  const OfPass target = [onset](const TargetAttention& pass) { return pass.to_target(onset); };
  const OfPass first = [onset](const TargetAttention& pass) { return pass.to_first(onset); };
  const OfPass sink = [target](const TargetAttention& pass) { return is_sink(target(pass), pass); };
  report_curve("attention_to_target_variance", on, curves.variance, target, measure);
  report_curve("attention_to_first", on, curves.variance, first, measure);
  report_curve("attention_to_target_norm", on, curves.norm, target, measure);
  report_curve("attention_to_target_norm_matched", on, curves.norm_matched, target, measure);
  report_curve("sequences_with_target_sink", on, curves.variance, sink, measure);

  const auto& amplified = curves.variance.rbegin()->second;  // by the largest lambda
  measure.mean("attention_to_target_variance", on, target(amplified));
  measure.mean("attention_to_first", on, first(amplified));
  measure.ratio("target_to_first_ratio", on, target(amplified), first(amplified));
  report_spearman(on, curves.variance, target, measure);
  measure.mean("sequences_with_target_sink", on, sink(amplified));
  measure.mean("attention_to_target_untouched", on, target(curves.variance.at(1)));
  measure.mean("attention_to_target_norm", on, target(curves.norm.rbegin()->second));
  measure.mean("attention_to_target_norm_matched", on, target(curves.norm_matched.rbegin()->second));
}

/// The same amplification after the last spike, compared with that before the onset over the sink layers there.
void amplify_late(Claim& claim, const ScaledTarget& scaled) {
  const auto& on = scaled.on;
  const auto after_spike = layers_after_last_spike(claim);
  if (!after_spike) return;
  const auto lambda = lambdas_of(claim).back();
  const auto outputs = record_calibration(claim, on, after_spike->range, scaled.target);
  const auto early = watch_target(claim.run(on, {scaled.variance(lambda)}), on, scaled.target);
  const auto late = watch_target(claim.run(on, {amplify(outputs, scaled.target, lambda)}), on, scaled.target);
  claim.report([=, layers = after_spike->sinks](Measure& measure) {
    measure.by_layer("attention_to_target_late", on, late.to_target(), on.layers());
    measure.mean("attention_to_target_late", on, mean_over_layers(late.to_target(), layers));
    measure.mean("attention_to_target_variance_late_layers", on, mean_over_layers(early.to_target(), layers));
  });
}

void variance_scaling(Claim& claim) {
  std::vector<ScaledTarget> kinds;  // of inputs, the primary condition first
  for (const auto& on : claim.conditions()) {
    const auto& scaled = kinds.emplace_back(scale_target(claim, on));
    const auto curves = declare_curves(claim, scaled);
    claim.report([=, onset = claim.survey.sinks.onset_layer()](Measure& measure) {
      report_at_onset(on, curves, onset, measure);
    });
  }
  amplify_late(claim, kinds.front());
}

REPLICATE_CLAIM(variance_scaling, "judged_on", "random", "natural", "calibration.sequences", "target", "lambdas");

}  // namespace
}  // namespace replicate
