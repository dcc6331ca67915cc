#pragma once

// The run's log: log.txt in the run folder and, from `warn` up, stderr. spdlog stays behind this
// header because its fmt clashes with the one that LibTorch ships.

#include <filesystem>
#include <string>

namespace replicate {

void log_to(const std::filesystem::path& file);  ///< also writes everything to this file from now on
void log_info(const std::string& text);
void log_warn(const std::string& text);

}  // namespace replicate
