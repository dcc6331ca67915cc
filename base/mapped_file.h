#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace replicate {

/// A file mapped read-only into memory for as long as the object lives. Pages are read when they
/// are first touched, so a model larger than memory can be opened.
class MappedFile {
 public:
  /// Error when the path is missing, a directory or another special file, empty, or not readable.
  static MappedFile open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

  /// Tells the system that the whole pages inside `part` are not needed for now; touching them
  /// again reads them again. `part` must lie within bytes().
  void release(std::span<const std::byte> part) const;

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace replicate
