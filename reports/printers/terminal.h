#pragma once

// Colours of a terminal.

#include <string>

#include "harness/record/words.h"

namespace replicate::report {

namespace ansi {
inline constexpr const char* kReset = "\033[0m";
inline constexpr const char* kBold = "\033[1m";
inline constexpr const char* kDim = "\033[2m";
}  // namespace ansi

/// `words` in a colour, of which nothing is no colour.
inline std::string painted(const std::string& words, const std::string& colour) {
  return words.empty() || colour.empty() ? words : colour + words + ansi::kReset;
}

/// Of the verdict's sign or word.
inline const char* colour_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass: return "\033[32m";
    case Verdict::fail: return "\033[31m";
    case Verdict::inconclusive: return "\033[33m";
    case Verdict::error: return "\033[35m";
    default: return ansi::kDim;
  }
}

}  // namespace replicate::report
