#pragma once

// How much of a vector lies in few of its dimensions.

#include "models/core/torch.h"

namespace replicate {

/// max|h| / mean|h| over the last axis: [b, T, D] -> [b, T] float64.
inline Tensor dominance_ratio(const Tensor& hidden) {
  const auto magnitude = hidden.abs();
  return magnitude.amax(-1).to(at::kDouble) / magnitude.mean(-1, false, at::kDouble);
}

/// Position 0 and the mean over the rest: [b, T] -> [b, 2].
inline Tensor first_and_rest(const Tensor& by_position) {
  return at::stack({by_position.select(1, 0), by_position.slice(1, 1).mean(1)}, 1);
}

}  // namespace replicate
