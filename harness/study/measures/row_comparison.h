#pragma once

// How rows of attention share out what is left for positions other than 0 and a target k, in two passes on the same
// tokens.

#include "models/core/torch.h"

namespace replicate {

/// What compare_rows says of each pass: entropy of the whole row and of what is left of it, renormalised, without
/// columns 0 and k; effective number of positions in what is left; attention to k and to position 0.
inline constexpr const char* kOfRows[] = {"entropy", "entropy_rest", "mixing", "attention_to_target",
                                          "attention_to_first"};

/// Of rows [b, H, R, T]: total variation between the renormalised rows, then kOfRows of the untouched pass and of the
/// changed one, means over heads and rows: [b, 1 + 5 + 5].
Tensor compare_rows(const Tensor& untouched, const Tensor& changed, int64_t k);

}  // namespace replicate
