#pragma once

// Named tensors of a model on disk, whatever its container: memory-mapped, decoded to float32 by rows.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace replicate {

class GgufFile;

class TensorStore {
 public:
  virtual ~TensorStore() = default;
  virtual const std::string& where() const = 0;                     ///< the file or folder, for messages
  virtual std::string where_of(const std::string& name) const = 0;  ///< the file that holds a tensor that is there
  virtual std::vector<std::string> names() const = 0;
  /// Slowest dimension first; nothing when there is no such tensor.
  virtual std::optional<std::vector<int64_t>> shape(const std::string& name) const = 0;
  virtual std::string encoding(const std::string& name) const = 0;  ///< "BF16", "Q4_K", ... of a tensor that is there
  /// Rows first..first+count of a tensor (a vector is one row), which must be there. False when one of their numbers is
  /// NaN or infinite.
  [[nodiscard]] virtual bool decode(const std::string& name, int64_t first, int64_t count, float* out) const = 0;
  /// Of the same rows, the quantisation step of each number: 0 where a number is not quantised.
  virtual void steps(const std::string& name, int64_t first, int64_t count, float* out) const = 0;
  /// The tensor's pages are not needed for now.
  virtual void release(const std::string& name) const = 0;
};

/// The encoding that holds most of the numbers.
std::string main_encoding(const TensorStore& store);

std::shared_ptr<const TensorStore> gguf_store(std::shared_ptr<const GgufFile> file);

/// The same tensors with noise: to every number a draw is added, uniform within half a quantisation step of it, as
/// rounding may have moved it. A tensor's draws follow from `seed` and its name, whatever is decoded when. Error where
/// no tensor is quantised.
std::shared_ptr<const TensorStore> noisy_store(std::shared_ptr<const TensorStore> store, uint64_t seed);

/// model.safetensors of a folder, or all the files that its model.safetensors.index.json names. Error for what is
/// missing, given twice, or outside the folder.
std::shared_ptr<const TensorStore> safetensors_store(const std::filesystem::path& folder);

/// The files that safetensors_store opens, in the order of their names.
std::vector<std::filesystem::path> safetensors_files(const std::filesystem::path& folder);

}  // namespace replicate
