#pragma once

#include "models/core/torch.h"

namespace replicate {

/// 95% bounds of X statistics by the bias-corrected and accelerated bootstrap: {low, high}, [X] each. value [X]; draws
/// [R, X] on resamples; jackknife [J, X] with a group of units left out each. NaN in a column of draws spreads to both
/// bounds; where the jackknife says nothing (constant, or NaN), there is no acceleration. Where the draws lie so far to
/// one side that the bounds would not hold the value, both are NaN: the bootstrap is too biased to give an interval.
/// Source: Efron 1987; Efron and Tibshirani 1993, section 14.3. Checked against scipy.
std::pair<Tensor, Tensor> bca_bounds(const Tensor& value, const Tensor& draws, const Tensor& jackknife);

}  // namespace replicate
