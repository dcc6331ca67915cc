#pragma once

// What takes the place of a target's head outputs in the layers up to a stage's spike: shared by the claim
// variance_substitutes and what is described around it.

#include "harness/study/measures/scaled_target.h"

namespace replicate {

/// The target sees only itself, so its head outputs are its own value vector.
std::vector<Patch> own_value_of(const ScaledTarget& scaled);

/// The target sees one position of 1 to k - 1, drawn anew for every sequence: another token's value vector. Nothing
/// where there is none.
std::optional<std::vector<Patch>> other_value_of(const Claim& claim, const ScaledTarget& scaled);

/// The head outputs become mu + a combination of position 0's centred outputs over the calibration sequences, with
/// normal weights of unit length, drawn anew for every sequence and the same in all layers. mu is the mean of the
/// target's outputs over the calibration sequences, with the earlier layers replaced. Declares the passes for it.
std::vector<Patch> noise_like_first(Claim& claim, const ScaledTarget& scaled);

}  // namespace replicate
