#include "base/number_text.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace replicate {
namespace {

/// The largest double has 309 digits before its point.
constexpr size_t kLongest = 400;

std::string printed(const char* format, int precision, double value) {
  std::array<char, kLongest> text;
  std::snprintf(text.data(), text.size(), format, precision, value);
  return text.data();
}

}  // namespace

std::string significant_text(double value, int digits) { return printed("%.*g", digits, value); }
std::string fixed_text(double value, int decimals) { return printed("%.*f", decimals, value); }

std::string shortest_text(double value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string plural(size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace replicate
