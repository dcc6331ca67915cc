#pragma once

// The inner loop of attention on a CPU, without LibTorch: one row of scores becomes exponentials and, in
// the same pass, everything that statistics of the row need.

#include <cstdint>

namespace replicate {

/// Of e_i = exp(scale * x_i - max): enough for the probabilities e_i / total and their moments.
struct RowSums {
  float total = 0;          ///< sum e
  float squares = 0;        ///< sum e^2
  float weighted_logs = 0;  ///< sum e log e
  float top = 0;            ///< max x
};

/// Replaces x[0..n) by e; n >= 1. Relative error of e below 3e-7.
RowSums softmax_row(float* x, int64_t n, float scale);

/// Shannon entropy of e / total in nats: log total - weighted_logs / total.
float entropy(const RowSums& sums);

/// y[i] += a x[i]
void add_scaled(float* y, const float* x, int64_t n, float a);

}  // namespace replicate
