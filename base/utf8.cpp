#include "base/utf8.h"

#include "base/regex.h"

namespace replicate {
namespace {

/// Matches ill-formed parts: well-formed runs are consumed and skipped, then a character that
/// breaks off after its first bytes, then any single byte.
const Regex& ill_formed() {
  static const Regex regex(
      R"((?s)(?:[\x00-\x7f])"
      R"(|[\xc2-\xdf][\x80-\xbf])"
      R"(|(?:\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])[\x80-\xbf])"
      R"(|(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2})++(*SKIP)(*FAIL))"
      R"(|\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f])"
      R"(|(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]?)"
      R"(|.)",
      Regex::Text::bytes);
  return regex;
}

}  // namespace

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  size_t kept = 0;
  ill_formed().each_match(text, [&](size_t begin, size_t end) {
    result += text.substr(kept, begin - kept);
    result += "\xef\xbf\xbd";
    kept = end;
  });
  return result += text.substr(kept);
}

std::optional<size_t> first_not_text(std::string_view text) {
  std::optional<size_t> first;
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) first = nul;
  ill_formed().each_match(text, [&](size_t begin, size_t) { first = std::min(first.value_or(begin), begin); });
  return first;
}

}  // namespace replicate
