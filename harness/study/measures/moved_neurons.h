#pragma once

// Which hidden neurons an intervention at a target k moves at the positions after it.

#include "models/core/watch.h"

namespace replicate {

/// Activations of all hidden neurons at the positions after k, in these layers: [B, T - 1 - k, F].
std::shared_ptr<Watch> watch_later_neurons(std::vector<int64_t> layers, int64_t k);

/// Per sequence, the share of (neuron, position) pairs whose activation moves by more than so many of the neuron's
/// standard deviations, which are taken over all sequences and positions of `before`. A neuron without spread has
/// nothing to measure its moves by and is left out of the share; NaN where all are. Both [B, P, F]: [B].
Tensor moved_share(const Tensor& before, const Tensor& after, double deviations);

}  // namespace replicate
