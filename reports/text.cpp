#include "reports/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "base/number_text.h"
#include "base/sha256.h"

namespace replicate::report {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  ///< 0: not valid UTF-8
};

size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

bool is_scalar(uint32_t value, size_t bytes) {
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  return value >= kSmallest[bytes] && value <= 0x10FFFF && !surrogate;
}

CodePoint decode(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t bytes = sequence_length(lead);
  if (bytes == 1) return {lead, 1};
  if (bytes == 0 || bytes > text.size()) return {};
  uint32_t value = lead & (0xFFu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    value = value << 6 | (next & 0x3F);
  }
  return is_scalar(value, bytes) ? CodePoint{value, bytes} : CodePoint{};
}

/// Controls, and the marks that reorder the text around them.
bool is_control(uint32_t point) {
  const bool bidirectional = (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
  const bool noncharacter = (point & 0xFFFE) == 0xFFFE;  // not allowed in XML
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || bidirectional || noncharacter;
}

std::string clean_keeping(std::string_view text, uint32_t kept) {
  std::string result;
  while (!text.empty()) {
    const CodePoint point = decode(text);
    const size_t bytes = std::max<size_t>(point.bytes, 1);
    if (point.bytes == 0) {
      result += "\xEF\xBF\xBD";
    } else if (is_control(point.value) && point.value != kept) {
      result += ' ';
    } else {
      result += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return result;
}

size_t code_point_width(uint32_t point) {
  const bool combining = point >= 0x300 && point < 0x370;
  const bool wide = (point >= 0x1100 && point < 0x1160) || (point >= 0x2E80 && point < 0xA4D0) ||
                    (point >= 0xAC00 && point < 0xD7A4) || (point >= 0xF900 && point < 0xFB00) ||
                    (point >= 0xFE30 && point < 0xFE70) || (point >= 0xFF00 && point < 0xFF61) ||
                    (point >= 0x1F300 && point < 0x1FA00) || (point >= 0x20000 && point < 0x3FFFE);
  return combining ? 0 : wide ? 2 : 1;
}

/// Bytes of the longest prefix that fits, at least one character, cut after '_' or '/' where
/// possible.
size_t prefix_that_fits(std::string_view word, size_t width) {
  size_t bytes = 0, used = 0, nice = 0;
  while (bytes < word.size()) {
    const CodePoint point = decode(word.substr(bytes));
    used += code_point_width(point.value);
    if (used > width && bytes > 0) break;
    bytes += std::max<size_t>(point.bytes, 1);
    if (word[bytes - 1] == '_' || word[bytes - 1] == '/') nice = bytes;
  }
  return bytes < word.size() && nice > 0 ? nice : bytes;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

int magnitude(double value) { return value == 0 ? 0 : static_cast<int>(std::floor(std::log10(std::abs(value)))); }

std::string group_thousands(const std::string& digits) {
  const size_t integer = std::min(digits.find('.'), digits.size());
  std::string result = digits;
  if (integer < 5) return result;  // 1234 reads well as it is; 12,345 needs help
  for (size_t at = integer; at > 3; at -= 3) result.insert(at - 3, ",");
  return result;
}

std::string fixed(double value, int decimals) {
  const auto digits = fixed_text(std::abs(value), decimals);
  const bool zero = digits.find_first_of("123456789") == std::string::npos;
  return (value < 0 && !zero ? "−" : "") + group_thousands(digits);
}

std::string superscript(int exponent) {
  constexpr std::array<const char*, 10> kDigits = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string result = exponent < 0 ? "⁻" : "";
  for (const char digit : std::to_string(std::abs(exponent))) result += kDigits[digit - '0'];
  return result;
}

std::string strip_zeros(std::string digits) {
  if (digits.find('.') == std::string::npos) return digits;
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

/// The mantissa may round up to 10.00; printf has already carried it into the exponent.
std::string scientific(double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.2e", std::abs(value));
  const std::string text = buffer.data();
  const size_t e = text.find('e');
  return (value < 0 ? "−" : "") + strip_zeros(text.substr(0, e)) + " × 10" + superscript(std::stoi(text.substr(e + 1)));
}

bool needs_exponent(double value) { return value != 0 && (std::abs(value) < 1e-4 || std::abs(value) >= 1e7); }

/// The particle physicists' rule: two digits of an uncertainty that starts with 1, 2 or 3, one
/// digit of others; and never more than five digits in all.
int justified_decimals(double half_width, double largest) {
  const int first_digit = magnitude(half_width);
  const bool two_digits = half_width / std::pow(10, first_digit) < 3.55;
  const int decimals = (two_digits ? 1 : 0) - first_digit;
  return std::clamp(decimals, 0, std::max(0, 4 - magnitude(largest)));
}

}  // namespace

std::string clean(std::string_view text) { return clean_keeping(text, ' '); }

std::string clean_multiline(std::string_view text) { return clean_keeping(text, '\n'); }

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : clean_multiline(text)) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += c;
    }
  }
  return result;
}

std::string escape_markdown(std::string_view text) {
  constexpr std::string_view kSpecial = "\\`*_[]<>|#~$";
  std::string result;
  for (const char c : clean(text)) {
    if (c == '&') {
      result += "&amp;";
      continue;
    }
    if (kSpecial.find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string markdown_code(std::string_view text) {
  std::string code = clean(text);
  size_t longest = 0, run = 0;
  for (const char c : code) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(longest + 1, '`');
  replace_all(code, "|", "\\|");  // a table cell ends at a bare bar, even inside code
  const std::string space = fence.size() > 1 ? " " : "";
  return fence + space + code + space + fence;
}

std::string escape_url(std::string_view path) {
  constexpr std::string_view kHex = "0123456789ABCDEF", kPlain = "-_.~/#";
  std::string result;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) || kPlain.find(c) != kPlain.npos);
    if (plain) {
      result += c;
    } else {
      result += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return result;
}

std::string gnuplot_quote(std::string_view text) {
  std::string quoted = clean(text);
  replace_all(quoted, "'", "''");
  return "'" + quoted + "'";
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const CodePoint point = decode(text);
    width += code_point_width(point.value);
    text.remove_prefix(std::max<size_t>(point.bytes, 1));
  }
  return width;
}

std::string pad(const std::string& text, size_t width) {
  const size_t used = display_width(text);
  return text + std::string(used < width ? width - used : 0, ' ');
}

std::vector<std::string> wrap(std::string_view text, size_t width) {
  std::vector<std::string> lines(1);
  for (const std::string& whole : split_words(clean(text))) {
    std::string_view word = whole;
    const size_t gap = lines.back().empty() ? 0 : 1;
    if (gap > 0 && display_width(lines.back()) + gap + display_width(word) > width) lines.emplace_back();
    for (size_t bytes; (bytes = prefix_that_fits(word, width)) < word.size(); word.remove_prefix(bytes)) {
      lines.back() = word.substr(0, bytes);
      lines.emplace_back();
    }
    lines.back().append(lines.back().empty() ? "" : " ").append(word);
  }
  return lines;
}

std::string format_number(double value) {
  if (std::isnan(value)) return "n/a";
  if (std::isinf(value)) return value > 0 ? "∞" : "−∞";
  if (needs_exponent(value)) return scientific(value);
  return strip_zeros(fixed(value, std::max(0, 3 - magnitude(value))));
}

std::string format_count(int64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return format_number(value / 1e9) + " billion";
  if (count >= 1'000'000) return format_number(value / 1e6) + " million";
  return fixed(value, 0);
}

std::string format_seconds(double seconds) {
  if (seconds < 10) return fixed(seconds, 1) + " s";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 120) return std::to_string(whole) + " s";
  const int64_t minutes = whole / 60;
  if (minutes < 60) return std::to_string(minutes) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

std::string format_megabytes(double amount) {
  return amount < 1000 ? fixed(amount, 0) + " MB" : fixed(amount / 1000, 2) + " GB";
}

std::string short_hash(const std::string& sha256) { return clean(sha256.substr(0, kShortHashDigits)); }

MetricText format_metric(const Metric& metric) {
  if (!metric.low || !metric.high) return {format_number(metric.value), ""};
  const double low = *metric.low, high = *metric.high, half_width = (high - low) / 2;
  const double largest = std::max({std::abs(low), std::abs(high), std::abs(metric.value)});
  if (!(half_width > 0) || !std::isfinite(largest) || needs_exponent(largest))
    return {format_number(metric.value), "[" + format_number(low) + ", " + format_number(high) + "]"};
  const int decimals = justified_decimals(half_width, largest);
  return {fixed(metric.value, decimals), "[" + fixed(low, decimals) + ", " + fixed(high, decimals) + "]"};
}

std::string format_where(const Metric& metric) {
  std::vector<std::string> parts;
  for (const auto& [axis, index] : metric.where) parts.push_back(axis + " " + std::to_string(index));
  return join(parts, ", ");
}

std::string op_sign(const std::string& op) { return op == ">=" ? "≥" : op == "<=" ? "≤" : op; }

std::string join(const std::vector<std::string>& parts, const std::string& separator) {
  std::string result;
  for (const std::string& part : parts) result += (result.empty() ? "" : separator) + part;
  return result;
}

std::string enumerate(const std::vector<std::string>& parts) {
  if (parts.size() < 2) return join(parts, "");
  return join({parts.begin(), parts.end() - 1}, ", ") + " and " + parts.back();
}

std::string format_ranges(const std::vector<double>& layers) {
  std::vector<std::string> parts;
  for (size_t start = 0, end = 0; start < layers.size(); start = end) {
    for (end = start + 1; end < layers.size() && layers[end] == layers[end - 1] + 1;) ++end;
    const std::string first = format_number(layers[start]), last = format_number(layers[end - 1]);
    parts.push_back(end - start == 1 ? first : first + "–" + last);
  }
  return enumerate(parts);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string result;
  size_t done = 0;
  for (size_t at; (at = text.find(from, done)) != std::string::npos; done = at + from.size())
    result.append(text, done, at - done).append(to);
  text = result.append(text, done);
}

}  // namespace replicate::report
