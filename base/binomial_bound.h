#pragma once

#include <cstdint>

namespace replicate {

/// Upper 95% bound (one-sided, Clopper and Pearson 1934) of a probability that came true `successes` times in n.
/// Checked against scipy (tests/reference/make_binomial_bound.py).
double binomial_upper_bound(int64_t successes, int64_t n);

}  // namespace replicate
