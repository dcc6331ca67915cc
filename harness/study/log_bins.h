#pragma once

#include <algorithm>
#include <cmath>

#include "models/core/torch.h"

namespace replicate {

/// Bins of equal width on a log scale, for histograms; the last one holds the largest value.
struct LogBins {
  static constexpr int64_t kPerDecade = 4, kDecades = 6;
  static constexpr double kSmallest = 1e-30;  // stands for zero, which has no logarithm
  double top;                                 // log10 of the upper end

  explicit LogBins(double largest) : top(std::ceil(std::log10(std::max(largest, kSmallest)))) {}

  std::vector<double> centres() const {
    std::vector<double> all;
    for (int64_t i = 0; i < kPerDecade * kDecades; ++i) {
      all.push_back(std::pow(10, top - kDecades + (static_cast<double>(i) + 0.5) / kPerDecade));
    }
    return all;
  }

  /// Share of the values [B, X] >= 0 in each bin, those below the first counted there: [B, bins].
  Tensor shares(const Tensor& values) const {
    const auto place = (values.clamp_min(kSmallest).log10() - (top - kDecades)) * static_cast<double>(kPerDecade);
    const auto bin = place.floor().clamp(0, kPerDecade * kDecades - 1).to(at::kLong);
    const auto counts = at::zeros({values.size(0), kPerDecade * kDecades}, at::kDouble);
    return counts.scatter_add(1, bin, at::ones_like(values)) / static_cast<double>(values.size(1));
  }
};

}  // namespace replicate
