#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace replicate {

/// A compiled PCRE2 pattern. Matching is thread-safe and takes time linear in the text for the
/// patterns of this project. Of a pattern out of a file only the tries at one place are bounded.
class Regex {
 public:
  enum class Text { utf8, bytes };

  /// With Text::utf8, \p and caseless matching follow Unicode. ^ and $ stand for the ends of a line. Error when the
  /// pattern is malformed.
  Regex(const std::string& pattern, Text text);

  /// Calls `use` for every match from left to right. With Text::utf8, `text` must be well-formed.
  /// Empty matches are not looked for. Error when PCRE2 gives up on the text, and when a match
  /// begins before the end of the one before.
  void each_match(std::string_view text, const std::function<void(size_t begin, size_t end)>& use) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace replicate
