#pragma once

#include <string>

namespace replicate {

/// The first line of a message: LibTorch appends a stack trace to its own.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace replicate
