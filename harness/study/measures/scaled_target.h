#pragma once

// A target position k whose head outputs o_k are changed in the layers up to a stage's spike: made to vary as much over
// sequences as position 0's do, or many times as much, or replaced. What the change needs to know of o_k (its mean, its
// spread) is measured layer by layer on other sequences in which the earlier layers are changed already: a mean
// of the untouched model would turn a part of the amplified deviation into a shift that all sequences share.
// k is the claim's parameter `target`.

#include "harness/study/claim.h"
#include "harness/study/measures/target_attention.h"

namespace replicate {

/// Where a claim changes o_k in one call, and where it looks for the sink.
struct ScaledTarget {
  Condition on;
  int64_t target = 0;
  LayerRange before;                 ///< layers 1 to the stage's spike; to the last one where there are several
  LayerRange after;                  ///< the layers after it
  std::vector<int64_t> first_sinks;  ///< the first sink layer of the stage; one per stage where there are several
  std::vector<int64_t> late_sinks;   ///< the stage's sink layers in `after`
  double sink_excess = 0;            ///< excess attention from which on the target is a sink: the survey's
};

/// Ends the call where there is no spike with a sink after it. Error, which names the claim `id`, where the target has
/// no later queries.
ScaledTarget scaled_target(Claim& claim, const std::string& id);

/// A pass over other sequences that is changed in the layers before this one, and what it records there.
struct CalibratedLayer {
  int64_t layer;
  Run run;
  std::string first, target;  ///< recordings of the head outputs at positions 0 and k
};

/// What is changed in one layer.
using ChangeOfLayer = std::function<std::vector<Patch>(const CalibratedLayer& at)>;

struct CalibratedChange {
  std::vector<Patch> patches;           ///< in all layers
  std::vector<CalibratedLayer> layers;  ///< in their order
};

/// Declares one pass over calibration_for(on) per layer.
CalibratedChange calibrate(Claim& claim, const ScaledTarget& scaled, LayerRange layers, const ChangeOfLayer& change);

/// o_k becomes mu + dose lambda (o_k - mu) in these layers: mu its mean, lambda = max(1, sd_0 / sd_k).
CalibratedChange amplify_to_dose(Claim& claim, const ScaledTarget& scaled, LayerRange layers, double dose);

/// o_k becomes dose lambda o_k, with the factors of an amplification.
std::vector<Patch> without_mean(const CalibratedChange& amplified);

/// o_k takes the norm that it has, sequence by sequence and layer by layer, in the pass `amplified` over the same
/// sequences, and keeps its direction.
std::vector<Patch> at_norm_of(Run amplified, const ScaledTarget& scaled);

/// Head outputs at positions 0 and k, after the patches: [B, 2, H K] per layer.
std::shared_ptr<Watch> watch_outputs(Run run, int64_t target, LayerRange layers);

/// Variance of k over that of position 0, over the sequences and summed over dimensions, layer by layer: [layers].
Tensor variance_to_first(const Watch& outputs, LayerRange layers);

/// The factors lambda of an amplification, once its passes have run. Declares what has to be seen of them.
std::function<Tensor()> factors_of(const CalibratedChange& amplified, int64_t target);  ///< [layers]

std::vector<double> numbers_of(LayerRange layers);  ///< first, first + 1, ..., last

}  // namespace replicate
