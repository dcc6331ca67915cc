#pragma once

// What claims do to a target position k: let it see only itself (the paper's figures 5 and 19), or move its head
// outputs away from their mean over samples (figures 6 and 20).

#include "harness/study/claim.h"

namespace replicate {

/// The claim's parameter `target`.
int64_t target_of(const Context& claim);

/// Error unless `target` lies after position 0 and has a later query.
void check_target(int64_t target, const Condition& condition, const std::string& claim);

/// In these layers the target sees nothing but itself, as position 0 cannot help but do.
RowMask only_itself(int64_t target, LayerRange layers);

/// In these layers the target sees every position up to itself but the first.
RowMask all_but_first(int64_t target, LayerRange layers);

/// The target sees itself and n earlier positions, drawn anew for every sequence.
MaskedRow itself_and_random(int64_t target, int64_t n, int64_t sequences, Random& random);

/// Other sequences of the condition's kind, just long enough to hold the target, for means over samples; as many as
/// the parameter calibration.sequences says. Of given inputs those set aside, or all where they are few.
Tokens calibration_for(const Condition& condition, const Context& context, int64_t target);

/// What the model's heads put out at one position in these layers.
Recording record_heads(std::string name, LayerRange layers, int64_t position);

/// Declares a pass over calibration_for(on), to the claim's target, that keeps the head outputs of one position in
/// these layers.
Recording record_calibration(Claim& claim, const Condition& on, LayerRange layers, int64_t position);

/// Where a control acts too late: after the last spike.
struct LateLayers {
  LayerRange range;
  std::vector<int64_t> sinks;  ///< those of them with a sink
};

/// Nothing, and a note in the record, where there is no spike, or no sink layer after the last one.
std::optional<LateLayers> layers_after_last_spike(Claim& claim);

/// The head outputs o of `target` become scale o + weight mu in the recorded layers, mu the mean over the recorded
/// sequences.
Transplant with_mean(const Recording& recorded, int64_t target, float scale, float weight);

/// mu + lambda (o - mu).
Transplant amplify(const Recording& recorded, int64_t target, int64_t lambda);

}  // namespace replicate
