#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace replicate {

/// A field of a message in Google's protocol buffers: the one or the other, or nothing of what has a fixed size.
struct ProtobufField {
  uint32_t number = 0;
  std::optional<uint64_t> integer;        ///< also of a flag and of an enumeration
  std::optional<std::string_view> bytes;  ///< also of a text and of a message within the message
};

/// Calls `use` for every field of a message, in the order of the file. False when the message is damaged, or has a
/// group, which is no longer written; what comes before is used.
[[nodiscard]] bool each_field(std::string_view message, const std::function<void(const ProtobufField&)>& use);

}  // namespace replicate
