#pragma once

#include "models/core/torch.h"

namespace replicate {

/// Spearman's correlation of each row of x with the same row of y, both [R, X]: [R] float64. NaN where a row is
/// constant.
Tensor spearman_of_rows(const Tensor& x, const Tensor& y);

}  // namespace replicate
