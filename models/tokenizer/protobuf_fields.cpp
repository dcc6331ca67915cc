#include "models/tokenizer/protobuf_fields.h"

#include <limits>

namespace replicate {
namespace {

enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Takes a message to pieces; nothing where it breaks off. Source: protobuf.dev/programming-guides/encoding.
class Reader {
 public:
  explicit Reader(std::string_view message) : left_(message) {}

  bool is_done() const { return left_.empty(); }

  std::optional<ProtobufField> field() {
    const auto tag = varint();
    // Of a longer tag, Google's library drops bits, and would see another field than is seen here.
    if (!tag || *tag >> 3 == 0 || *tag > std::numeric_limits<uint32_t>::max()) return std::nullopt;
    ProtobufField field{.number = static_cast<uint32_t>(*tag >> 3), .integer = {}, .bytes = {}};
    bool is_whole = false;
    switch (*tag & 7) {
      case kVarint: is_whole = (field.integer = varint()).has_value(); break;
      case kBytes: is_whole = (field.bytes = text()).has_value(); break;
      case kFixed64: is_whole = taken(8).has_value(); break;
      case kFixed32: is_whole = taken(4).has_value(); break;
      default: break;
    }
    return is_whole ? std::optional(field) : std::nullopt;
  }

 private:
  std::optional<std::string_view> taken(uint64_t bytes) {
    if (bytes > left_.size()) return std::nullopt;
    const auto result = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return result;
  }

  std::optional<std::string_view> text() {
    const auto size = varint();
    return size ? taken(*size) : std::nullopt;
  }

  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto next = taken(1);
      if (!next) return std::nullopt;
      const auto byte = static_cast<unsigned char>(next->front());
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::string_view left_;
};

}  // namespace

bool each_field(std::string_view message, const std::function<void(const ProtobufField&)>& use) {
  for (Reader reader(message); !reader.is_done();) {
    const auto field = reader.field();
    if (!field) return false;
    use(*field);
  }
  return true;
}

}  // namespace replicate
