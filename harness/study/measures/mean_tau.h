#pragma once

#include <span>
#include <vector>

namespace replicate {

/// Kendall's tau-b of many rows of numbers with one vector, mean over the rows. The rows enter once, as
/// S[j, k] = mean over rows of sign(row_j - row_k) / sqrt(untied pairs of the row); a vector then costs width^2 / 2
/// steps however many rows there are, so that it can be resampled and permuted thousands of times.
class MeanTau {
 public:
  /// `rows` row by row, each `width` numbers long; at least one row.
  MeanTau(std::span<const float> rows, size_t width);

  /// NaN when `values` (width of them) or a row is constant, or one of the values is NaN.
  double operator()(std::span<const double> values) const;

 private:
  size_t width_;
  std::vector<double> signs_;  // S [width, width], filled for j < k
};

}  // namespace replicate
