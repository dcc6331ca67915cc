#pragma once

// How rows of attention share out what is left for positions other than 0 and a target k, in two passes on the same
// tokens.

#include <vector>

#include "models/core/torch.h"

namespace replicate {

/// The queries after k, at most so many, evenly spread and with the last one.
std::vector<int64_t> later_queries(int64_t k, int64_t length, int64_t most);

/// What compare_rows says of each pass: entropy of the whole row and of what is left of it, renormalised, without
/// columns 0 and k; effective number of positions in what is left; attention to k and to position 0.
inline constexpr const char* kOfRows[] = {"entropy", "entropy_rest", "mixing", "attention_to_target",
                                          "attention_to_first"};

/// Of rows [b, H, R, T]: total variation between the renormalised rows, then kOfRows of the untouched pass and of the
/// changed one, means over heads and rows: [b, 1 + 5 + 5].
Tensor compare_rows(const Tensor& untouched, const Tensor& changed, int64_t k);

/// What change_of_rest says, in its order.
inline constexpr const char* kChangesOfRest[] = {"total_variation", "entropy_change", "mixing_change"};

/// How much changes of what is left for other positions. From rows A [b, 2, H, R, T] as weighted_rows_for brings them,
/// without columns 0 and k and renormalised to p and p': sum |p - p'| / 2; the absolute change of -sum p log p; and
/// that of 1 / sum w^2 with w = A |v| / sum A |v|, the effective number of positions whose values are mixed. Means over
/// heads and rows: [b, 3].
Tensor change_of_rest(const Tensor& untouched, const Tensor& changed, int64_t k);

}  // namespace replicate
