#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace replicate {

/// How a word, or a whole text where nothing splits it, becomes ids. Thread-safe once made.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  /// Adds the ids of a word of well-formed UTF-8.
  virtual void encode(std::string_view word, std::vector<int64_t>& ids) const = 0;
};

}  // namespace replicate
