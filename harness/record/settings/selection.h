#pragma once

// --only: the claims of a run.

#include <string>
#include <vector>

namespace replicate {

struct ClaimDraft;

/// Names and patterns, with commas between them. An id names that claim alone, though it may be a part of another id;
/// all else is searched for in ids, and may be the whole word for a kind of claim: mechanism, intervention, training.
/// Error when one of them finds nothing, is not a regular expression, or is a pattern for files ("sink_*").
void select(std::vector<ClaimDraft>& claims, const std::string& only);

/// Where --only names nothing: the claims that the profile names, in the same form, or all; and where the user chose
/// the model, none about training, because they are about models that are trained here. Returns a sentence on what is
/// left out and how to run it; empty: nothing is.
std::string select_by_default(std::vector<ClaimDraft>& claims, const std::string& profile,
                              const std::string& of_profile, bool own_model);

}  // namespace replicate
