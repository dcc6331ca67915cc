#include "base/error.h"

#include <utility>

namespace replicate {
namespace {

std::string message(const std::string& what_happened, const std::string& where, const std::string& remedy) {
  std::string line = what_happened;
  if (!where.empty()) line += " (" + where + ")";
  if (!remedy.empty()) line += ": " + remedy;
  return line;
}

}  // namespace

Error::Error(std::string what_happened, std::string where, std::string remedy)
    : std::runtime_error(message(what_happened, where, remedy)),
      what_happened_(std::move(what_happened)),
      where_(std::move(where)),
      remedy_(std::move(remedy)) {}

std::string in_quotes(std::string_view name) {
  constexpr size_t kLongest = 80;
  std::string shown = "'";
  for (const char c : name.substr(0, kLongest)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (name.size() > kLongest ? "...'" : "'");
}

}  // namespace replicate
