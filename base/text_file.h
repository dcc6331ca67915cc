#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace replicate {

inline constexpr uintmax_t kLargestText = uintmax_t{1} << 28;  ///< 256 MiB; real files stay below 32 MiB

/// Also false where nothing can be found out, as of a link to itself.
bool is_there(const std::filesystem::path& path);

/// Reads a whole file of at most `most` bytes. Error when it cannot, and for pipes and devices, which need not end.
std::string read_text(const std::filesystem::path& path, uintmax_t most = kLargestText);

}  // namespace replicate
