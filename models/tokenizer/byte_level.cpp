#include "models/tokenizer/byte_level.h"

#include <array>
#include <cstddef>

#include "base/error.h"

namespace replicate {
namespace {

constexpr std::string_view kWhiteSpace = R"(\p{Z}\t-\r\x{85})";

/// GPT-2 spells bytes as characters: printable ones as themselves, the others from U+0100 on.
/// [code point] -> byte, or -1.
constexpr std::array<int, 0x144> byte_alphabet() {
  std::array<int, 0x144> bytes{};
  bytes.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    bytes[static_cast<size_t>(printable ? byte : next++)] = byte;
  }
  return bytes;
}

std::string spelled_escape(char escaped, bool in_brackets, std::string_view pattern) {
  const std::string set(kWhiteSpace);
  if (escaped == 's') return in_brackets ? set : "[" + set + "]";
  if (escaped != 'S') return std::string("\\") + escaped;
  if (!in_brackets) return "[^" + set + "]";
  throw Error("\\S in brackets is not supported", "pattern " + in_quotes(pattern), "use another tokenizer");
}

}  // namespace

std::optional<std::string> spelled_bytes(std::string_view token) {
  static constexpr auto kAlphabet = byte_alphabet();
  std::string bytes;
  for (size_t i = 0; i < token.size(); ++i) {
    size_t point = static_cast<unsigned char>(token[i]);
    if ((point & 0xe0) == 0xc0 && i + 1 < token.size()) {  // the alphabet ends within two bytes
      point = (point & 0x1f) << 6 | (static_cast<unsigned char>(token[++i]) & 0x3f);
    }
    if (point >= kAlphabet.size() || kAlphabet[point] < 0) return std::nullopt;
    bytes += static_cast<char>(kAlphabet[point]);
  }
  return bytes;
}

std::string with_white_space(std::string_view pattern) {
  std::string result;
  bool in_brackets = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      result += spelled_escape(pattern[++i], in_brackets, pattern);
      continue;
    }
    if (pattern[i] == '[') in_brackets = true;
    if (pattern[i] == ']') in_brackets = false;
    result += pattern[i];
  }
  return result;
}

}  // namespace replicate
