#pragma once

#include <string>
#include <string_view>

namespace replicate {

/// `text` with every ill-formed part replaced by U+FFFD, a maximal subpart at a time, as Python's
/// errors="replace" does: well-formed UTF-8 comes back unchanged.
/// Source: the Unicode standard, section 3.9, table 3-7 and "U+FFFD substitution of maximal
/// subparts".
std::string replace_invalid_utf8(std::string_view text);

}  // namespace replicate
