#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace replicate {

/// The bytes that a token of byte-level BPE spells in GPT-2's alphabet, in which every byte is a
/// printable character; nothing for a token with any other character in it, which no merge can
/// give.
std::optional<std::string> spelled_bytes(std::string_view token);

/// A pattern with \s and \S spelled out as Unicode's White_Space, as other engines know it: PCRE2's
/// own has U+180E, too, none since Unicode 6.3. Error when \S stands in brackets, where it cannot
/// be spelled out.
std::string with_white_space(std::string_view pattern);

/// The pattern by which GPT-2 splits a text into words.
inline constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace replicate
