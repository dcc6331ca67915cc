#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <memory>

#include "base/error.h"

namespace replicate {
namespace {

constexpr const char* kFilePattern = "%Y-%m-%dT%H:%M:%S.%e %l %v";

/// Warnings start on a line of their own, over the progress bar that may stand there.
std::string terminal_pattern() { return isatty(STDERR_FILENO) ? "\r\033[K%l: %v" : "%l: %v"; }

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    const auto terminal = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    terminal->set_pattern(terminal_pattern());
    terminal->set_level(spdlog::level::warn);
    spdlog::logger made("replicate", terminal);
    made.flush_on(spdlog::level::info);  // a killed run leaves its log
    return made;
  }();
  return instance;
}

}  // namespace

void log_to(const std::filesystem::path& file) {
  try {
    const auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_pattern(kFilePattern);
    logger().sinks().push_back(sink);
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(std::string("cannot open the log: ") + error.what(), file.string(), "choose another folder with --out");
  }
}

void log_info(const std::string& text) { logger().info("{}", text); }

void log_warn(const std::string& text) { logger().warn("{}", text); }

}  // namespace replicate
