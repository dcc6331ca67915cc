#include "models/formats/finite.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace replicate {
namespace {

/// In bits: NaN and infinity have all bits of the exponent set, and no other number has.
bool is_finite(float number) {
  constexpr uint32_t kExponent = 0x7f800000;
  return (std::bit_cast<uint32_t>(number) & kExponent) != kExponent;
}

}  // namespace

std::optional<size_t> first_not_finite(std::span<const float> numbers) {
  uint32_t found = 0;  // a loop that may end early is no vector code
  for (const float number : numbers) found |= is_finite(number) ? 0 : 1;
  if (found == 0) return std::nullopt;
  return static_cast<size_t>(std::ranges::find_if_not(numbers, is_finite) - numbers.begin());
}

}  // namespace replicate
