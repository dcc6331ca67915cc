// Position k becomes a sink when its head outputs o_k are moved away from their mean over samples in every layer up to
// a stage's spike, o_k := mu + dose lambda (o_k - mu); scaled to the same norm, they do not make one (paper, figures 6
// and 20). mu is a mean over samples: over dimensions it is about 0, and the intervention would scale the norm. lambda
// makes o_k vary as much as position 0's head outputs do, so dose 1 is what the paper's account is about, and dose 4 is
// judged. mu and lambda are measured layer by layer, on other sequences in which the earlier layers are changed at that
// dose already.
// Judged in the stage's first sink layer: k draws a share of what position 0 draws in the same pass, and more than it
// draws untouched. Controls at dose 4: dose lambda o_k; o_k at the amplified norm; the amplification after the spike.
// Cost: per dose a pass to the first sink layer, and one over the calibration sequences per layer up to the spike,
// which share all layers but two; the late control goes to the end. experiments/described/scaling_by_dose.cpp has the
// curve over doses, dose 1 among them.

#include "harness/record/clauses.h"
#include "harness/study/claim.h"
#include "harness/study/measures/position_variance.h"
#include "harness/study/measures/scaled_target.h"

namespace replicate {
namespace {

constexpr double kMatched = 1;  // the dose at which k varies as much as position 0

/// A pass over the judged sequences, seen in some layers only.
struct SeenPass {
  Run run;
  TargetAttention attention;

  // Mean over these layers, heads and the queries after k: [B].
  Tensor to_target() const { return attention.to_target().mean(1); }
  Tensor to_first() const { return attention.to_first().mean(1); }
};

SeenPass see(Claim& claim, const ScaledTarget& scaled, std::vector<Patch> patches, const std::vector<int64_t>& layers) {
  const auto run = claim.run(scaled.on, std::move(patches));
  return {run, watch_target(run, scaled.on, scaled.target, layers)};
}

/// In the stage's first sink layer.
SeenPass see(Claim& claim, const ScaledTarget& scaled, std::vector<Patch> patches) {
  return see(claim, scaled, std::move(patches), scaled.first_sinks);
}

/// The criteria at one dose.
void report_dose(const std::string& dose, double share, const Condition& on, const SeenPass& amplified,
                 const SeenPass& untouched, Measure& measure) {
  const auto drawn = amplified.to_target();
  measure.judged(dose + "_beyond_share_of_first", on, drawn - share * amplified.to_first());
  measure.judged(dose + "_added_attention", on, drawn - untouched.to_target());
}

/// What a pass at position 0's own variance says: nothing is judged by it, and a reader has to know it.
void note_matched(const SeenPass& matched, double share, double dose, Measure& measure) {
  if ((matched.to_target() - share * matched.to_first()).mean().item<double>() > 0) return;
  measure.note("At position 0's own standard deviation the target draws less than " + short_number(share) +
               " x the attention of position 0. The judged dose is " + short_number(dose) +
               " x position 0's standard deviation, or more in layers where the target's own is larger.");
}

/// How much the target varies at the judged dose, which is more than the dose says where its own factor is 1.
void report_variance(Claim& claim, const ScaledTarget& scaled, const SeenPass& amplified) {
  const auto outputs = watch_outputs(amplified.run, scaled.target, scaled.before);
  claim.report([=](Measure& measure) {
    const auto largest = variance_to_first(*outputs, scaled.before).max().item<double>();
    measure.value("scaled_variance_ratio_largest", scaled.on, largest);
    measure.note("At the judged dose the target's head outputs have up to " + short_number(largest) +
                 " x the variance of position 0's, in the layer where it is largest.");
  });
}

// --- The check ----------------------------------------------------------------------------------------------------

/// At dose 1 the target varies as position 0 does on the judged sequences, too. Where lambda is 1, it varied more
/// before and may still.
void check_matched(Claim& claim, const ScaledTarget& scaled, const CalibratedChange& change, const SeenPass& matched) {
  const auto outputs = watch_outputs(matched.run, scaled.target, scaled.before);
  const auto factors = factors_of(change, scaled.target);
  claim.report([=](Measure& measure) {
    const auto ratio = variance_to_first(*outputs, scaled.before);
    const auto where_amplified = at::where(factors() > 1, ratio, at::ones_like(ratio));
    measure.value("matched_variance_ratio_least", scaled.on, ratio.min().item<double>());
    measure.value("matched_variance_ratio_largest", scaled.on, where_amplified.max().item<double>());
  });
}

// --- Controls -----------------------------------------------------------------------------------------------------

/// What each adds to the attention that k draws untouched, in the stage's first sink layer.
void control_norm(Claim& claim, const ScaledTarget& scaled, const CalibratedChange& change, const SeenPass& amplified,
                  const SeenPass& untouched) {
  const auto norm = see(claim, scaled, without_mean(change));
  const auto norm_matched = see(claim, scaled, at_norm_of(amplified.run, scaled));
  claim.report([=, on = scaled.on](Measure& measure) {
    const auto added = [&](const SeenPass& pass) { return pass.to_target() - untouched.to_target(); };
    measure.judged("scaled_added_attention_norm", on, added(norm));
    measure.judged("scaled_added_attention_norm_matched", on, added(norm_matched));
  });
}

/// The same dose in the layers after the spike only, over the sink layers there.
void control_late(Claim& claim, const ScaledTarget& scaled, const CalibratedChange& change, double dose) {
  const auto seen = [&](std::vector<Patch> patches) {
    return see(claim, scaled, std::move(patches), scaled.late_sinks);
  };
  const auto untouched = seen({}), amplified = seen(change.patches);
  const auto late = seen(amplify_to_dose(claim, scaled, scaled.after, dose).patches);
  claim.report([=, on = scaled.on](Measure& measure) {
    measure.judged("scaled_added_attention_sink_layers", on, amplified.to_target() - untouched.to_target());
    measure.judged("scaled_added_attention_after_spike", on, late.to_target() - untouched.to_target());
  });
}

void variance_scaling(Claim& claim) {
  if (const auto why = why_no_variance(claim, claim.primary())) {
    return claim.report([=](Measure& measure) { measure.inapplicable(*why); });
  }
  const auto scaled = scaled_target(claim, "variance_scaling");
  const auto dose = claim.parameters.real("dose"), share = claim.parameters.real("share_of_first");
  const auto to_dose = [&](double one) { return amplify_to_dose(claim, scaled, scaled.before, one); };
  const auto by_one = to_dose(kMatched), by_dose = to_dose(dose);
  const auto untouched = see(claim, scaled, {}), matched = see(claim, scaled, by_one.patches);
  const auto amplified = see(claim, scaled, by_dose.patches);
  const auto largest = see(claim, scaled, to_dose(claim.parameters.real("largest_dose")).patches);
  claim.report([=, on = scaled.on](Measure& measure) {
    report_dose("scaled", share, on, amplified, untouched, measure);
    report_dose("largest_dose", share, on, largest, untouched, measure);
    measure.mean("scaled_beyond_matched", on, amplified.to_target() - matched.to_target());
    measure.ratio("scaled_to_first_ratio", on, amplified.to_target(), amplified.to_first());
    note_matched(matched, share, dose, measure);
  });
  check_matched(claim, scaled, by_one, matched);
  report_variance(claim, scaled, amplified);
  control_norm(claim, scaled, by_dose, amplified, untouched);
  control_late(claim, scaled, by_dose, dose);
}

REPLICATE_CLAIM(variance_scaling, "judged_on", "random", "natural", "calibration.sequences", "target", "dose",
                "largest_dose", "share_of_first");

}  // namespace
}  // namespace replicate
