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
  bool strips_right = false;  ///< white space after it goes with it
};

/// Finds added tokens in texts: from left to right, the longest of those that begin at a place.
class AddedTokens {
 public:
  /// One without text is never found; of two with the same text, the first counts. The text must be well-formed UTF-8,
  /// so that none is found within a character.
  void add(AddedToken token);
  bool empty() const { return tokens_.empty(); }

  /// Calls `use_text` for every part without added tokens that is not empty, `use_id` for every one found, in order.
  void split(std::string_view text, const std::function<void(std::string_view)>& use_text,
             const std::function<void(int32_t)>& use_id) const;

 private:
  const AddedToken* longest_at(std::string_view text) const;

  // The tree of all texts: a search goes no further than one agrees. Node 0 is the root, and no node's successor.
  std::vector<AddedToken> tokens_;
  std::vector<int32_t> ends_ = {-1};                ///< by node: the token that ends there, or -1
  std::array<uint32_t, 256> first_{};               ///< the root's successors
  std::unordered_map<uint64_t, uint32_t> further_;  ///< those of another node: by node * 256 + byte
};

}  // namespace replicate
