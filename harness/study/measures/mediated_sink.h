#pragma once

// Does the sink that a target position k becomes when it may attend only to itself go through something? It is masked
// twice, free and with that something held at k at what it is without the mask. Shared by the claims that differ in
// what they hold.

#include "harness/study/measures/super_neuron_writes.h"
#include "harness/study/measures/target_attention.h"

namespace replicate {

/// One pass and what is observed of its target over the stage's sink layers.
struct TargetSink {
  TargetAttention attention;
  std::shared_ptr<Watch> norm;  ///< [B, L + 1] of the target's residual stream
  std::vector<int64_t> layers;

  Tensor to_target() const;  ///< attention to the target: [B]
  double excess() const;     ///< excess attention to it, mean over sequences
};

TargetSink watch_target_sink(Run run, const Condition& on, const std::vector<int64_t>& layers, int64_t target);

/// The target keeps these values of one site in the layer of each spike as they are in the untouched pass.
EditOfSpike hold_at_target(Run untouched, Site site, int64_t target,
                           std::function<std::vector<int64_t>(const StageWriters& writers)> dimensions);

/// The same for the super neurons' activations.
EditOfSpike hold_super_neurons(Run untouched, int64_t target);

/// The passes that a mediation claim compares.
struct Mediation {
  Condition on;
  int64_t last_spike = 0;
  double share_of_induced = 0;  ///< the claim's parameter: holding has to remove more
  TargetSink untouched, masked, held, control;

  Tensor removed() const { return masked.to_target() - held.to_target(); }  ///< by holding: [B]
};

/// Judged, per sequence: whether holding removes more than that share of what the mask induces, what it removes, and
/// what the control removes (named `induced_removed_<control>`). Beside it the share, the induced sink, and how much of
/// the norm that the mask gives the target goes.
void report_mediation(const Mediation& mediation, const std::string& control, Measure& measure);

}  // namespace replicate
