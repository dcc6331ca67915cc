#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace replicate {

/// A token that is found in a text as it is spelled, before anything else looks at the text.
struct AddedToken {
  std::string text;
  int32_t id = 0;
  bool special = false;       ///< text never gives it: what spells it is split like any other text
  bool strips_right = false;  ///< white space behind it goes with it
};

/// Finds added tokens in texts: from left to right, the longest of those that begin at a place.
class AddedTokens {
 public:
  /// One without text is never found; of two with the same text, the first counts.
  void add(AddedToken token);
  bool empty() const { return tokens_.empty(); }

  /// Calls `use_text` for every part without added tokens that is not empty, `use_id` for every one found, in order.
  void split(std::string_view text, const std::function<void(std::string_view)>& use_text,
             const std::function<void(int32_t)>& use_id) const;

 private:
  const AddedToken* longest_at(std::string_view text) const;

  std::unordered_map<std::string, AddedToken> tokens_;
  std::array<std::vector<size_t>, 256> sizes_;  ///< of those with this first byte, the longest first
};

}  // namespace replicate
