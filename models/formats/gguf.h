#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "models/formats/quantization.h"

namespace replicate {

/// A tensor as it lies in the file: encoded numbers, not copied.
struct StoredTensor {
  std::string name;
  std::vector<int64_t> shape;  ///< slowest dimension first: PyTorch's order, ggml's reversed
  TensorType type = TensorType::f32;
  std::span<const std::byte> bytes;

  int64_t elements() const;
};

/// A GGUF container, version 2 or 3, little endian: named metadata and named tensors.
/// Source: docs/gguf.md in the ggml repository.
///
/// Model files come from strangers. Every count, length and offset is checked against what is left
/// of the file before it is used, and memory grows with what the file really holds, never with what
/// it says it holds. Anything wrong is an Error of one line that names the file.
class GgufFile {
 public:
  /// A model that gguf-split has split is opened by its first file, PREFIX-00001-of-00003.gguf; the
  /// others are looked for beside it.
  static GgufFile open(const std::filesystem::path& path);

  /// One file in memory: the bytes must outlive the object; `where` names them in messages.
  static GgufFile parse(std::span<const std::byte> bytes, std::string where);

  /// One model of all the files that it was split into, the first one, which has the metadata, first.
  /// Error when they are not one model's, or not all.
  static GgufFile join(std::vector<GgufFile> shards);

  const std::string& where() const { return where_; }  ///< of a split model: its first file

  /// What was opened, in order; empty for bytes in memory.
  const std::vector<std::filesystem::path>& files() const { return files_; }

  // Metadata: nothing when the key is absent, Error when it is there with another type. Integers of
  // any width and sign count as integers (an unsigned one beyond int64 is an Error); `real` and
  // `reals` take integers too.
  bool has(std::string_view key) const;
  bool is_array(std::string_view key) const;  ///< false when the key is absent
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<double>> reals(std::string_view key) const;
  std::optional<std::vector<bool>> booleans(std::string_view key) const;
  std::optional<std::vector<std::string>> texts(std::string_view key) const;

  // The same for keys that must be there: Error naming key and file when they are not.
  int64_t require_integer(std::string_view key) const;
  double require_real(std::string_view key) const;
  bool require_boolean(std::string_view key) const;
  std::string require_text(std::string_view key) const;
  std::vector<int64_t> require_integers(std::string_view key) const;
  std::vector<double> require_reals(std::string_view key) const;
  std::vector<std::string> require_texts(std::string_view key) const;

  std::vector<std::string> keys() const;  ///< sorted

  const std::vector<StoredTensor>& tensors() const { return tensors_; }  ///< in the files' order
  const StoredTensor* find(std::string_view name) const;                 ///< null when absent
  const StoredTensor& tensor(std::string_view name) const;               ///< Error when absent

  std::string where_of(const StoredTensor& tensor) const;  ///< the file of a split model that holds it

  /// The tensor's pages are not needed for now (see MappedFile::release).
  void release(const StoredTensor& tensor) const;

 private:
  friend class GgufParser;

  /// A metadata value where it lies in the file, decoded on access: files hold 100,000 strings.
  struct Value {
    uint32_t type = 0;  ///< GGUF's number for the type, of the items in an array
    bool is_array = false;
    uint64_t count = 1;
    std::span<const std::byte> bytes;
  };

  GgufFile() = default;
  static GgufFile open_one(const std::filesystem::path& path);
  int64_t split_count() const;
  /// Error when it is not file `number`, from 1, of the model whose first file is `first`.
  void check_shard(int64_t number, const GgufFile& first) const;
  void take_tensors(GgufFile shard);
  template <typename Item>
  std::optional<Item> scalar(std::string_view key) const;
  template <typename Item>
  std::optional<std::vector<Item>> array(std::string_view key) const;
  template <typename Item>
  std::vector<Item> decode(std::string_view key, const Value& value) const;
  template <typename Item>
  Item required(std::string_view key, std::optional<Item> item) const;

  std::string where_;
  std::vector<std::filesystem::path> files_;
  std::vector<std::shared_ptr<const MappedFile>> mappings_;  ///< of files_; none for bytes in memory
  std::map<std::string, Value, std::less<>> metadata_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, size_t, std::less<>> positions_;  ///< in tensors_, by name
};

}  // namespace replicate
