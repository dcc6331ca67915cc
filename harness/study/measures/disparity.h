#pragma once

// How much of a vector lies in few of its dimensions.

#include "models/core/watch.h"

namespace replicate {

/// max|h| / mean|h| over the last axis: [b, T, D] -> [b, T] float64.
inline Tensor dominance_ratio(const Tensor& hidden) {
  const auto magnitude = hidden.abs();
  return magnitude.amax(-1).to(at::kDouble) / magnitude.mean(-1, false, at::kDouble);
}

/// Share of the four largest components in |h|^2, [b, T, D] -> [b, T]; RMSNorm without gain leaves it alone.
inline Tensor top4_energy(const Tensor& hidden) {
  const auto energy = hidden.to(at::kDouble).square();
  return std::get<0>(energy.topk(4, -1)).sum(-1) / energy.sum(-1);
}

/// Position 0 and the mean over the rest: [b, T] -> [b, 2].
inline Tensor first_and_rest(const Tensor& by_position) {
  return at::stack({by_position.select(1, 0), by_position.slice(1, 1).mean(1)}, 1);
}

/// A measure of each position, at position 0 and over the rest: [B, 2] per layer.
inline std::shared_ptr<Watch> watch_first_and_rest(Site site, Tensor (*by_position)(const Tensor&)) {
  return watch(site, [=](const Tensor& hidden) { return first_and_rest(by_position(hidden)); });
}

}  // namespace replicate
