#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace replicate {

/// Checks every YAML under configs; returns one line per finding (empty: all good).
std::vector<std::string> validate_configs(const std::filesystem::path& configs);

}  // namespace replicate
