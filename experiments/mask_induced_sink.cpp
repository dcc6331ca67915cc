// A position that may attend only to itself, in every layer, keeps the variance of its own value vector as position 0
// does, and becomes a sink (paper, figures 5 and 19). That isolates "sees only itself" from "is first", not variance
// from everything else: see variance_scaling.
//
// Judged over the sink layers of a stage, mean over heads and the queries after the target: at k = 10 and at three of
// the targets at least, the masked target draws a share of what position 0 draws in the same pass, and many times what
// it drew untouched. Fewer visible positions make a stronger sink. Controls at k = 10: blocked from position 0 only;
// self-only after the stage's spike only. Cost: one forward pass per target twice, and six more; a mask acts from layer
// 1 on, so that they share little.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/target_attention.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

/// How many earlier positions the target sees beside itself, and the weight of each in the linear contrast.
struct MaskDose {
  int64_t visible;
  double weight;
};
constexpr MaskDose kMaskDoses[] = {{0, 3}, {1, 1}, {3, -1}, {7, -3}};

/// The judged condition in one call, at one stage.
struct MaskedStage {
  Condition on;
  Stage stage;
  int64_t layers;  // of the model

  /// Over the stage's sink layers, of what a pass shows by layer [B, L]: [B].
  Tensor mean(const Tensor& by_layer) const { return mean_over_layers(by_layer, stage.sinks); }
  Tensor to_target(const TargetAttention& pass) const { return mean(pass.to_target()); }
};

TargetAttention watch_masked(Claim& claim, const MaskedStage& at, int64_t target, std::vector<Patch> patches) {
  check_target(target, at.on, "mask_induced_sink");
  return watch_target(claim.run(at.on, std::move(patches)), at.on, target);
}

TargetAttention watch_untouched(Claim& claim, const MaskedStage& at, int64_t target) {
  return watch_masked(claim, at, target, {});
}

TargetAttention watch_self_only(Claim& claim, const MaskedStage& at, int64_t target) {
  return watch_masked(claim, at, target, {only_itself(target, {1, at.layers})});
}

/// Both contrasts of one target.
void judge_target(Claim& claim, const MaskedStage& at, int64_t target) {
  const auto untouched = watch_untouched(claim, at, target), masked = watch_self_only(claim, at, target);
  const auto share = claim.parameters.real("share_of_first"), times = claim.parameters.real("times_untouched");
  claim.report([=](Measure& measure) {
    const auto suffix = "_k" + std::to_string(target);
    const auto drawn = at.to_target(masked);  // [B]
    measure.judged("masked_beyond_share_of_first" + suffix, at.on, drawn - share * at.mean(masked.to_first()));
    measure.judged("masked_beyond_times_untouched" + suffix, at.on, drawn - times * at.to_target(untouched));
  });
}

// --- At k = 10 ----------------------------------------------------------------------------------------------------

/// What the mask adds to the attention that k draws, and what its controls add.
void judge_controls(Claim& claim, const MaskedStage& at) {
  const auto target = target_of(claim);
  const auto untouched = watch_untouched(claim, at, target), masked = watch_self_only(claim, at, target);
  const auto blocked = watch_masked(claim, at, target, {all_but_first(target, {1, at.layers})});
  const LayerRange after_spike{at.stage.last_spike() + 1, at.layers};
  const auto late = watch_masked(claim, at, target, {only_itself(target, after_spike)});
  claim.report([=](Measure& measure) {
    const auto added = [&](const TargetAttention& pass) { return at.to_target(pass) - at.to_target(untouched); };
    measure.judged("mask_added_attention", at.on, added(masked));
    measure.judged("mask_added_attention_blocked_first", at.on, added(blocked));
    measure.judged("mask_added_attention_after_spike", at.on, added(late));
  });
}

void judge_dose(Claim& claim, const MaskedStage& at) {
  Random random(derive_seed(claim.seed, "mask_induced_sink/judged dose"));
  const auto target = target_of(claim);
  std::vector<TargetAttention> passes;
  for (const auto& dose : kMaskDoses) {
    const auto row = itself_and_random(target, dose.visible, at.on.tokens->sequences(), random);
    passes.push_back(watch_masked(claim, at, target, {RowMask{{1, at.layers}, row}}));
  }
  claim.report([=](Measure& measure) {
    auto contrast = at::zeros({at.on.tokens->sequences()}, at::kDouble);  // [B]
    for (size_t i = 0; i < passes.size(); ++i) contrast += kMaskDoses[i].weight * at.to_target(passes[i]);
    measure.judged("dose_contrast", at.on, contrast);
  });
}

void mask_induced_sink(Claim& claim) {
  const MaskedStage at{claim.primary(), claim.stage(), claim.config().layers};
  for (const auto target : claim.parameters.integers("targets")) judge_target(claim, at, target);
  judge_controls(claim, at);
  judge_dose(claim, at);
}

REPLICATE_CLAIM(mask_induced_sink, "judged_on", "natural", "random", "target", "targets", "share_of_first",
                "times_untouched");

}  // namespace
}  // namespace replicate
