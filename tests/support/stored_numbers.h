#pragma once

// Numbers as ggml stores them, rounded in the simplest way. Written from where each bit stands, number
// by number, and not as models/formats/quantization.cpp takes them apart: so that tests hold the two
// against each other.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "models/formats/quantization.h"

namespace replicate {

/// Bytes, appended one little-endian value after the other.
class ByteWriter {
 public:
  template <typename Number>
  ByteWriter& number(Number value) {
    return raw({reinterpret_cast<const std::byte*>(&value), sizeof(value)});
  }
  ByteWriter& text(std::string_view value) {
    return number<uint64_t>(value.size()).raw(std::as_bytes(std::span(value)));
  }
  ByteWriter& raw(std::span<const std::byte> value) {
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  ByteWriter& pad(size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// IEEE binary32 to binary16 by truncation; what lies below 2^-14 becomes zero. Good enough for
/// tests.
inline uint16_t half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const int exponent = static_cast<int>(bits >> 23 & 0xff) - 112;
  if (exponent <= 0) return sign;
  return static_cast<uint16_t>(sign | std::min(exponent, 30) << 10 | (bits >> 13 & 0x3ff));
}

/// Bits a number has in a block, 8 or fewer.
inline int quant_bits(TensorType type) { return type_name(type)[1] - '0'; }

/// Whether a block has a minimum; without one its numbers lie around zero.
inline bool has_minimum(TensorType type) {
  return type == TensorType::q4_1 || type == TensorType::q5_1 || type == TensorType::q2_k || type == TensorType::q4_k ||
         type == TensorType::q5_k;
}

/// A block in the making: the numbers as integers from 0, and bytes that they are put into bit by bit.
class BlockWriter {
 public:
  BlockWriter(TensorType type, std::span<const float> numbers) {
    const auto [low, high] = std::minmax_element(numbers.begin(), numbers.end());
    const int middle = has_minimum(type) ? 0 : 1 << (quant_bits(type) - 1);
    const int most = (1 << quant_bits(type)) - 1 - middle;
    minimum_ = has_minimum(type) ? *low : 0;
    scale_ = (has_minimum(type) ? *high - *low : std::max(std::abs(*low), std::abs(*high))) / static_cast<float>(most);
    for (const float number : numbers) {
      const auto steps = scale_ > 0 ? std::lround((number - minimum_) / scale_) : 0;
      quants_.push_back(static_cast<int>(steps) + middle);
    }
  }

  BlockWriter& scale() { return value(half(scale_)); }
  BlockWriter& minimum() { return value(half(minimum_)); }
  BlockWriter& minus_minimum() { return value(half(-minimum_)); }  // the K types subtract it
  BlockWriter& repeat(uint8_t byte, size_t count) {
    out_.insert(out_.end(), count, byte);
    return *this;
  }

  /// Bits first..first+count of every quant, in groups of `run` neighbours: each group takes `run`
  /// bytes, and as many groups as fit lie above each other in them.
  BlockWriter& quants(int first, int count, size_t run) {
    const size_t start = out_.size(), groups_in_byte = 8 / static_cast<size_t>(count);
    out_.resize(start + quants_.size() / groups_in_byte);
    for (size_t i = 0; i < quants_.size(); ++i) {
      const size_t group = i / run, byte = group / groups_in_byte * run + i % run;
      const int bits = quants_[i] >> first & ((1 << count) - 1);
      out_[start + byte] |= static_cast<uint8_t>(bits << group % groups_in_byte * static_cast<size_t>(count));
    }
    return *this;
  }

  BlockWriter& signed_quants() {
    for (const int quant : quants_) value(static_cast<int8_t>(quant - 128));
    return *this;
  }

  std::span<const std::byte> written() const { return std::as_bytes(std::span(out_)); }

 private:
  template <typename Number>
  BlockWriter& value(Number number) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&number);
    out_.insert(out_.end(), bytes, bytes + sizeof(number));
    return *this;
  }

  float scale_ = 0, minimum_ = 0;
  std::vector<int> quants_;
  std::vector<uint8_t> out_;
};

/// Appends one block of a q type. The factors of a K type's groups are all one (33 - 32 in q3_K).
inline void write_block(ByteWriter& out, TensorType type, std::span<const float> numbers) {
  BlockWriter block(type, numbers);
  switch (type) {
    case TensorType::q4_0: block.scale().quants(0, 4, 16); break;
    case TensorType::q4_1: block.scale().minimum().quants(0, 4, 16); break;
    case TensorType::q5_0: block.scale().quants(4, 1, 1).quants(0, 4, 16); break;
    case TensorType::q5_1: block.scale().minimum().quants(4, 1, 1).quants(0, 4, 16); break;
    case TensorType::q8_0: block.scale().signed_quants(); break;
    case TensorType::q2_k: block.repeat(0x11, 16).quants(0, 2, 32).scale().minus_minimum(); break;
    case TensorType::q3_k: block.quants(2, 1, 32).quants(0, 2, 32).repeat(0x11, 8).repeat(0xaa, 4).scale(); break;
    case TensorType::q4_k: block.scale().minus_minimum().repeat(1, 8).repeat(0x11, 4).quants(0, 4, 32); break;
    case TensorType::q5_k:
      block.scale().minus_minimum().repeat(1, 8).repeat(0x11, 4).quants(4, 1, 32).quants(0, 4, 32);
      break;
    case TensorType::q6_k: block.quants(0, 4, 64).quants(4, 2, 32).repeat(1, 16).scale(); break;
    default: break;  // f32, f16 and bf16 have no blocks
  }
  out.raw(block.written());
}

/// Numbers as a tensor of `type` holds them.
inline std::vector<std::byte> stored(TensorType type, std::span<const float> numbers) {
  ByteWriter out;
  const auto block = static_cast<size_t>(block_elements(type));
  for (size_t i = 0; i + block <= numbers.size(); i += block) {
    switch (type) {
      case TensorType::f32: out.number(numbers[i]); break;
      case TensorType::f16: out.number(half(numbers[i])); break;
      case TensorType::bf16: out.number(static_cast<uint16_t>(std::bit_cast<uint32_t>(numbers[i]) >> 16)); break;
      default: write_block(out, type, numbers.subspan(i, block));
    }
  }
  return out.bytes();
}

}  // namespace replicate
