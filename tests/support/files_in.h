#pragma once

#include <filesystem>
#include <iterator>

namespace replicate {

/// Things in a folder, hidden ones too: what a failed write leaves behind would be counted.
inline size_t files_in(const std::filesystem::path& folder) {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

}  // namespace replicate
