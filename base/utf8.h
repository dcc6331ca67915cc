#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace replicate {

/// `text` with every ill-formed part replaced by U+FFFD, a maximal subpart at a time, as Python's
/// errors="replace" does: well-formed UTF-8 comes back unchanged.
/// Source: the Unicode standard, section 3.9, table 3-7 and "U+FFFD substitution of maximal
/// subparts".
std::string replace_invalid_utf8(std::string_view text);

/// Where the first byte stands that is no text: a NUL, or a part that is not well-formed UTF-8.
std::optional<size_t> first_not_text(std::string_view text);

/// Bytes of the character that begins with this one, in well-formed UTF-8.
inline size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/// Calls `use` for every character of well-formed UTF-8, from left to right.
template <typename Use>
void each_character(std::string_view text, const Use& use) {
  for (size_t at = 0; at < text.size();) {
    const auto size = std::min(character_bytes(text[at]), text.size() - at);
    use(text.substr(at, size));
    at += size;
  }
}

}  // namespace replicate
