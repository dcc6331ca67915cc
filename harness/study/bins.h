#pragma once

#include "models/core/torch.h"

namespace replicate {

/// Equal bins over all of x, for histograms; their edges are multiples of `width`.
struct Bins {
  double low, width;
  int64_t count;
  Bins(const Tensor& x, double bin_width)
      : low(std::floor(x.min().item<double>() / bin_width) * bin_width),
        width(bin_width),
        count(static_cast<int64_t>((x.max().item<double>() - low) / bin_width) + 1) {}

  /// How many values of x [...] fall into each bin: [count].
  Tensor of(const Tensor& x) const { return at::histc(x, count, low, low + width * static_cast<double>(count)); }
  std::vector<double> centres() const {
    std::vector<double> x;
    for (int64_t i = 0; i < count; ++i) x.push_back(low + width * (static_cast<double>(i) + 0.5));
    return x;
  }
};

}  // namespace replicate
