#pragma once

// A claim measured again with something changed: the points of its sweep, and the check of --dtype.

#include <optional>
#include <vector>

#include "harness/record/settings/draft.h"

namespace replicate {

/// The claim's `sweep: {each: {...}, points: {k5: {target: 5}, bos: {bos: on}}}`.
/// Each point is measured on at most `most_sequences`; 0: none is.
std::vector<SweepSettings> read_sweep(const ClaimDraft& claim, int64_t most_sequences);

/// Adds a point per text to the sweep of a claim that has one and is judged on natural text. They come from the profile
/// and are no part of the claim's definition.
void add_texts(ClaimDraft& claim, int64_t most_sequences, const std::vector<std::string>& texts);

/// The claim as it is, on few sequences; nothing for a claim that trains its own models.
std::optional<SweepSettings> dtype_check(const ClaimDraft& claim);

}  // namespace replicate
