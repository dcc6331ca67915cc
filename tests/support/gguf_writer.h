#pragma once

// Makes small GGUF files for tests, sound ones and (by the raw parts) broken ones.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/stored_numbers.h"

namespace replicate {

/// A GGUF file in the making.
class GgufWriter {
 public:
  explicit GgufWriter(uint32_t version = 3) : version_(version) {}

  GgufWriter& integer(std::string_view key, int64_t value) { return scalar(key, 11).append(value); }
  GgufWriter& unsigned_integer(std::string_view key, uint32_t value) { return scalar(key, 4).append(value); }
  GgufWriter& real(std::string_view key, float value) { return scalar(key, 6).append(value); }
  GgufWriter& boolean(std::string_view key, bool value) { return scalar(key, 7).append(static_cast<uint8_t>(value)); }
  GgufWriter& text(std::string_view key, std::string_view value) {
    scalar(key, 8);
    metadata_.text(value);
    return *this;
  }
  GgufWriter& integers(std::string_view key, const std::vector<int32_t>& values) { return array(key, 5, values); }
  GgufWriter& reals(std::string_view key, const std::vector<float>& values) { return array(key, 6, values); }
  GgufWriter& texts(std::string_view key, const std::vector<std::string>& values) {
    array_head(key, 8, values.size());
    for (const std::string& value : values) metadata_.text(value);
    return *this;
  }
  /// A value of any type, however broken: `type` is GGUF's number, `value` the bytes after it.
  GgufWriter& raw_value(std::string_view key, uint32_t type, std::span<const std::byte> value) {
    scalar(key, type);
    metadata_.raw(value);
    return *this;
  }

  /// `shape` with the slowest dimension first.
  GgufWriter& tensor(std::string_view name, const std::vector<int64_t>& shape, std::span<const float> numbers,
                     TensorType type = TensorType::f32) {
    constexpr uint32_t kGgmlTypes[] = {0, 1, 30, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14};
    data_.pad(alignment_);
    raw_tensor(name, shape, kGgmlTypes[static_cast<size_t>(type)], data_.bytes().size());
    data_.raw(stored(type, numbers));
    return *this;
  }
  /// A description of a tensor, however broken, without data. `type` is ggml's number.
  GgufWriter& raw_tensor(std::string_view name, const std::vector<int64_t>& shape, uint32_t type, uint64_t offset) {
    tensors_.text(name).number(static_cast<uint32_t>(shape.size()));
    for (auto size = shape.rbegin(); size != shape.rend(); ++size) tensors_.number(*size);
    tensors_.number(type).number(offset);
    ++tensor_count_;
    return *this;
  }

  GgufWriter& alignment(uint32_t value) {
    alignment_ = value;
    return unsigned_integer("general.alignment", value);
  }

  std::vector<std::byte> bytes() const {
    ByteWriter out;
    out.raw(std::as_bytes(std::span("GGUF", 4))).number(version_);
    out.number(tensor_count_).number(value_count_);
    out.raw(metadata_.bytes()).raw(tensors_.bytes()).pad(alignment_).raw(data_.bytes());
    return out.bytes();
  }

  void write(const std::filesystem::path& path) const {
    const auto content = bytes();
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  }

 private:
  GgufWriter& scalar(std::string_view key, uint32_t type) {
    metadata_.text(key).number(type);
    ++value_count_;
    return *this;
  }
  template <typename Number>
  GgufWriter& append(Number value) {
    metadata_.number(value);
    return *this;
  }
  void array_head(std::string_view key, uint32_t type, size_t count) {
    scalar(key, 9);
    metadata_.number(type).number(static_cast<uint64_t>(count));
  }
  template <typename Number>
  GgufWriter& array(std::string_view key, uint32_t type, const std::vector<Number>& values) {
    array_head(key, type, values.size());
    for (const Number value : values) metadata_.number(value);
    return *this;
  }

  uint32_t version_;
  size_t alignment_ = 32;
  uint64_t value_count_ = 0;
  uint64_t tensor_count_ = 0;
  ByteWriter metadata_;
  ByteWriter tensors_;
  ByteWriter data_;
};

}  // namespace replicate
