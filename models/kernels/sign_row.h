#pragma once

// The inner loop of Kendall's tau over many rows (harness/study/measures/mean_tau.h), without LibTorch.

#include <cstdint>

namespace replicate {

/// sum of s[i] sign(here - r[i]) over i < n.
double signed_sum(const double* s, const double* r, double here, int64_t n);

/// s[i] += weight sign(here - r[i])
void add_signs(double* s, const double* r, double here, double weight, int64_t n);

}  // namespace replicate
