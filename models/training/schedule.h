#pragma once

#include <cstdint>

namespace replicate {

/// Warm-up, constant, decay: unlike a cosine, the constant part lets losses of different lengths be compared.
struct Schedule {
  int64_t steps = 0;
  int64_t warmup = 0;  ///< linear from 1 / warmup of the rate
  int64_t decay = 0;   ///< linear to zero over the last so many steps

  /// The share of the full rate in step 0..steps-1.
  double at(int64_t step) const {
    if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
    const auto left = steps - step;
    return left < decay ? static_cast<double>(left) / static_cast<double>(decay) : 1;
  }
};

}  // namespace replicate
