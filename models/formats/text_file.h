#pragma once

#include <filesystem>
#include <string>

namespace replicate {

/// Reads a whole file. Error when it cannot.
std::string read_text(const std::filesystem::path& path);

}  // namespace replicate
