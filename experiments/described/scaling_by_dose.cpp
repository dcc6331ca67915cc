// Beside the claim variance_scaling, at its judged stage: the curve over doses, first of all dose 1, at which the
// target varies as position 0 does; the share of sequences in which the target is a sink; attention by layer at the
// judged dose and under its controls; the factors, and how the target's variance compares with position 0's. Cost: a
// pass to the end per dose and control.

#include "harness/study/claim.h"
#include "harness/study/measures/position_variance.h"
#include "harness/study/measures/scaled_target.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// One dose: what is changed, and its pass.
struct Dosed {
  double dose;
  CalibratedChange change;
  Run run;
  TargetAttention attention;
};

Dosed at_dose(Claim& claim, const ScaledTarget& scaled, double dose) {
  auto change = amplify_to_dose(claim, scaled, scaled.before, dose);
  const auto run = claim.run(scaled.on, change.patches);
  return {dose, std::move(change), run, watch_target(run, scaled.on, scaled.target)};
}

// --- In the stage's first sink layer --------------------------------------------------------------------------

struct AtFirstSink {
  Tensor to_target, to_first, sink;  // [B]
};

AtFirstSink at_first_sink(const ScaledTarget& scaled, const Dosed& one) {
  const auto to_target = mean_over_layers(one.attention.to_target(), scaled.first_sinks);
  return {to_target, mean_over_layers(one.attention.to_first(), scaled.first_sinks),
          has_sink(to_target, one.attention, scaled.sink_excess)};
}

void report_metrics(const std::string& name, const Condition& on, const AtFirstSink& seen, Measure& measure) {
  measure.mean(name + "_attention_to_target", on, seen.to_target);
  measure.mean(name + "_attention_to_first", on, seen.to_first);
  measure.mean(name + "_sequences_with_sink", on, seen.sink);
}

void report_doses(Claim& claim, const ScaledTarget& scaled, const std::vector<double>& doses) {
  std::vector<Dosed> passes;
  for (const auto dose : doses) passes.push_back(at_dose(claim, scaled, dose));
  claim.report([=](Measure& measure) {
    std::vector<Tensor> to_target, to_first, sink;  // [B] each
    for (const auto& one : passes) {
      const auto seen = at_first_sink(scaled, one);
      to_target.push_back(seen.to_target);
      to_first.push_back(seen.to_first);
      sink.push_back(seen.sink);
    }
    const auto show = [&](const std::string& name, const std::vector<Tensor>& values) {
      measure.series(name, scaled.on, "dose", doses, at::stack(values, 1));
    };
    show("attention_to_target_by_dose", to_target);
    show("attention_to_first_by_dose", to_first);
    show("sequences_with_target_sink_by_dose", sink);
  });
}

// --- By layer -------------------------------------------------------------------------------------------------

void report_controls_by_layer(Claim& claim, const ScaledTarget& scaled, const Dosed& dosed) {
  const auto& on = scaled.on;
  const auto seen = [&](std::vector<Patch> patches) {
    return watch_target(claim.run(on, std::move(patches)), on, scaled.target);
  };
  const std::vector<std::pair<std::string, TargetAttention>> passes{
      {"scaled", dosed.attention},
      {"norm", seen(without_mean(dosed.change))},
      {"norm_matched", seen(at_norm_of(dosed.run, scaled))},
      {"after_spike", seen(amplify_to_dose(claim, scaled, scaled.after, dosed.dose).patches)},
      {"untouched", seen({})}};
  claim.report([=](Measure& measure) {
    for (const auto& [name, pass] : passes) {
      measure.by_layer("attention_to_target_by_layer_" + name, on, pass.to_target(), on.layers());
    }
  });
}

/// `name`: "matched" for dose 1, "scaled" for the judged one.
void report_spread(Claim& claim, const ScaledTarget& scaled, const std::string& name, const Dosed& dosed) {
  const auto outputs = watch_outputs(dosed.run, scaled.target, scaled.before);
  const auto factors = factors_of(dosed.change, scaled.target);
  claim.report([=, x = numbers_of(scaled.before)](Measure& measure) {
    measure.curve("factor_by_layer_" + name, scaled.on, "layer", x, factors());
    measure.curve("variance_to_first_by_layer_" + name, scaled.on, "layer", x,
                  variance_to_first(*outputs, scaled.before));
  });
}

void report_untouched_spread(Claim& claim, const ScaledTarget& scaled) {
  const auto outputs = watch_outputs(claim.run(scaled.on), scaled.target, scaled.before);
  claim.report([=, x = numbers_of(scaled.before)](Measure& measure) {
    measure.curve("variance_to_first_by_layer_untouched", scaled.on, "layer", x,
                  variance_to_first(*outputs, scaled.before));
  });
}

void scaling_by_dose(Claim& claim) {
  if (why_no_variance(claim, claim.primary())) return;
  const auto scaled = scaled_target(claim, "variance_scaling");
  const auto matched = at_dose(claim, scaled, 1), judged = at_dose(claim, scaled, claim.parameters.real("dose"));
  claim.report([=](Measure& measure) {
    report_metrics("matched", scaled.on, at_first_sink(scaled, matched), measure);
    report_metrics("scaled", scaled.on, at_first_sink(scaled, judged), measure);
  });
  report_doses(claim, scaled, claim.parameters.reals("doses"));
  report_controls_by_layer(claim, scaled, judged);
  report_spread(claim, scaled, "matched", matched);
  report_spread(claim, scaled, "scaled", judged);
  report_untouched_spread(claim, scaled);
}

REPLICATE_DESCRIPTION(variance_scaling, scaling_by_dose, "judged_on", "random", "natural", "calibration.sequences",
                      "target", "dose", "doses");

}  // namespace
}  // namespace replicate
