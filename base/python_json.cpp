#include "base/python_json.h"

namespace replicate {
namespace {

/// Which of them `text` begins with, if any.
std::string_view number_at_start(std::string_view text) {
  for (const std::string_view name : {"NaN", "Infinity", "-Infinity"})
    if (text.starts_with(name)) return name;
  return "";
}

/// The bytes of the string that `text` begins with, quotes included.
size_t string_bytes(std::string_view text) {
  for (size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

}  // namespace

std::string quote_python_numbers(std::string_view json) {
  std::string result;
  while (!json.empty()) {
    const auto name = number_at_start(json);
    const size_t bytes = !name.empty() ? name.size() : json.front() == '"' ? string_bytes(json) : 1;
    const auto part = std::string(json.substr(0, bytes));
    result += name.empty() ? part : '"' + part + '"';
    json.remove_prefix(bytes);
  }
  return result;
}

}  // namespace replicate
