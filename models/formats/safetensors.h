#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"

namespace replicate {

/// How safetensors stores the numbers of a tensor. In the order in which its own writer sorts.
enum class Dtype { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

std::string_view dtype_name(Dtype dtype);  ///< as the format spells it: "F32", "BOOL", ...
int64_t dtype_bytes(Dtype dtype);          ///< of one number: 1, 2, 4 or 8

/// A tensor as it lies in the file: not copied, at any alignment.
struct SafetensorsTensor {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;  ///< slowest dimension first, as in PyTorch; empty for a scalar
  std::span<const std::byte> bytes;

  int64_t elements() const;
};

/// A safetensors container: a JSON header, then the tensors without a gap, little endian.
/// Source: the README of the safetensors repository, "Format".
///
/// Files come from strangers. The header is read in one pass that keeps nothing but what the format
/// knows, so nesting, duplicate keys and sizes that do not fit end in an Error of one line that
/// names the file.
class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::filesystem::path& path);

  /// The same for bytes in memory, which must outlive the object; `where` names them in messages.
  static SafetensorsFile parse(std::span<const std::byte> bytes, std::string where);

  const std::string& where() const { return where_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }  ///< in file's order
  const SafetensorsTensor* find(std::string_view name) const;                 ///< null when absent
  const SafetensorsTensor& tensor(std::string_view name) const;               ///< Error when absent

  /// The pages of some tensor's bytes are not needed for now (see MappedFile::release).
  void release(std::span<const std::byte> part) const;

 private:
  friend class SafetensorsParser;
  SafetensorsFile() = default;

  std::string where_;
  std::shared_ptr<const MappedFile> mapping_;  ///< null for bytes in memory
  std::map<std::string, std::string> metadata_;
  std::vector<SafetensorsTensor> tensors_;
  std::map<std::string, size_t, std::less<>> positions_;  ///< in tensors_, by name
};

/// Decodes F64 (rounded to nearest), F32, F16, BF16, F8_E4M3 or F8_E5M2 (exactly) to float32. `out` has room for
/// tensor.elements() numbers. False when one of them is NaN or infinite. Error when the tensor is stored as anything
/// else.
bool decode_floats(const SafetensorsTensor& tensor, float* out);

/// A tensor to write. The bytes are in the tensor's order, little endian.
struct SafetensorsOutput {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes a file whole or not at all (see AtomicFile). The same tensors give the same bytes in
/// whatever order they come: sorted by width and name and padded as by the format's own library, so
/// that every tensor lies at a multiple of its number's width. Error when a name comes twice, when
/// bytes and shape do not fit together, and when the disk is full.
void write_safetensors(const std::filesystem::path& path, std::vector<SafetensorsOutput> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace replicate
