#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace replicate {

/// Where the first number is that is NaN or infinite; nothing where all are finite.
std::optional<size_t> first_not_finite(std::span<const float> numbers);

}  // namespace replicate
