#pragma once

#include <cstddef>

namespace replicate {

inline constexpr size_t kMebibyte = size_t{1} << 20;

}  // namespace replicate
