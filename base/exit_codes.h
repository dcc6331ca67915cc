#pragma once

namespace replicate {

/// Exit codes. kFailed: only where --fail-on, `diff` or `reproduce` asks for it.
inline constexpr int kFailed = 1, kUsage = 2, kBroken = 3, kInterrupted = 130;

}  // namespace replicate
