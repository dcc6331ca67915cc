#pragma once

// Does an intervention at a position make a sink there by way of a few neurons or residual dimensions? The
// intervention runs twice, free and with those held at what they are without it; what is gone then went through
// them. Shared by the claims that differ only in what they hold. The target is the claim's parameter `target`.

#include "harness/study/claim.h"
#include "harness/study/measures/target_attention.h"

namespace replicate {

/// The hypothesised mediators: neurons or residual dimensions of the spike's layer.
struct Mediators {
  Site site = Site::hidden;
  std::vector<int64_t> dimensions;
};

using MediatorsOf = std::function<Mediators(const SpikeWriters& writers)>;

/// One pass and what is observed of its target.
struct TargetPass {
  Run run;
  TargetAttention attention;
  std::shared_ptr<Watch> norm;  // [B, L + 1] norm of the target's residual
};

/// An intervention that makes the target a sink, beside the untouched pass.
struct InducedSink {
  Condition on;  // its suffix is the intervention's: "" for the mask, "_amplified"
  std::vector<Patch> patches;
  TargetPass untouched, induced;
};

/// The intervention again, with the target's mediators in the layer of a spike held at what they are in the untouched
/// pass. Reports which share of the induced attention and of the target's norm that removes, under names with the
/// suffix.
void hold(Claim& claim, const InducedSink& sink, const std::string& suffix, int64_t spike, const Mediators& mediators);

/// What is described beside the mediation claim `id`: the mediators of the dominant spike held under the mask, what
/// `also_held` holds under the judged mask; the mediators of other spikes, and of all; those of the dominant one where
/// the target was amplified in place of masked (its head outputs o become mu + lambda (o - mu) in the layers before the
/// onset, mu the mean over other sequences, lambda the parameter `amplification`); and position 0 with the sequence's
/// mean over other positions in place of its own mediators.
void mediate(Claim& claim, const std::string& id, const MediatorsOf& mediators,
             const std::function<void(const InducedSink& masked)>& also_held = {});

}  // namespace replicate
