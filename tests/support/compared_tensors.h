#pragma once

#include "models/core/torch.h"

namespace replicate {

inline double largest_difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace replicate
