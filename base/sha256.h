#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace replicate {

using Sha256Digest = std::array<std::byte, 32>;

/// A running SHA-256. Error when the library has it switched off.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  Sha256& add(std::span<const std::byte> bytes);
  Sha256& add(std::string_view text);

  Sha256Digest digest();  ///< once, after everything was added

 private:
  struct Context;  // of the library that computes it
  std::unique_ptr<Context> context_;
};

Sha256Digest sha256(std::span<const std::byte> bytes);
Sha256Digest sha256(std::string_view text);

/// Hexadecimal digits that name a file or a folder by its content.
inline constexpr size_t kShortHashDigits = 12;

/// As 64 lower-case hexadecimal digits.
std::string hex(const Sha256Digest& digest);
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

/// The same of a file's content, read piece by piece. Error when it cannot be read.
std::string sha256_file(const std::filesystem::path& path);

/// Of one file: sha256_file. Of several, in their order: the hash of their hashes, each a line, as
/// `sha256sum FILES | cut -c -64 | sha256sum` gives it.
std::string sha256_files(std::span<const std::filesystem::path> paths);

}  // namespace replicate
