#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace replicate {

/// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

/// The same of a file's content, read piece by piece. Error when it cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace replicate
