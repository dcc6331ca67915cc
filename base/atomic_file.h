#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace replicate {

/// A file that is there whole or not at all: it is written under another name beside its target and
/// vanishes unless put_in_place() is reached. Every step is an Error that names the target when the
/// disk is full or read-only, and what stood there before stays as it was.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);  ///< at the end
  void write(std::string_view text);

  /// Writes over bytes that are there already, such as a header that is known last.
  void overwrite(uint64_t offset, std::span<const std::byte> bytes);

  /// fsync, rename, fsync of the folder. Nothing may be written afterwards.
  void put_in_place();

 private:
  [[noreturn]] void fail(const std::string& what) const;
  void write_at(uint64_t offset, std::span<const std::byte> bytes);

  std::filesystem::path target_;
  std::filesystem::path path_;  ///< empty once in place
  uint64_t size_ = 0;
  int file_ = -1;
};

}  // namespace replicate
