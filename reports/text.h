#pragma once

// Numbers, widths and escapes that all reporters share. Strings come from models, files and YAML
// that may be hostile: all that is printed passes through one of the escapes below.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/number_text.h"  // plural
#include "harness/record/record.h"

namespace replicate::report {

/// UTF-8 without surprises: invalid bytes become U+FFFD, control characters (newlines too) a space.
std::string clean(std::string_view text);
std::string clean_multiline(std::string_view text);  ///< the same, newlines kept

std::string escape_html(std::string_view text);      ///< for HTML and XML, text and attributes
std::string escape_markdown(std::string_view text);  ///< text, also inside a table cell
std::string markdown_code(std::string_view text);    ///< `text`, with as many backticks as it takes
std::string escape_url(std::string_view path);       ///< a relative path as a link's target
std::string gnuplot_quote(std::string_view text);    ///< 'text': no substitution happens inside

size_t display_width(std::string_view text);  ///< terminal columns
std::string pad(const std::string& text, size_t width);
/// Lines of at most `width` columns; words that are longer break after '_' or anywhere.
std::vector<std::string> wrap(std::string_view text, size_t width);

/// Four significant digits, no trailing zeros, thousands grouped: "0.5231", "12,345", "1.2 × 10⁻⁷".
std::string format_number(double value);
std::string format_count(int64_t count);      ///< "134.5 million"
std::string format_seconds(double seconds);   ///< "12.3 s", "3 min 12 s", "2 h 5 min"
std::string format_megabytes(double amount);  ///< "812 MB", "1.21 GB"
std::string short_hash(const std::string& sha256);

/// A metric as printed: all three numbers with the decimals that its interval justifies.
struct MetricText {
  std::string value, interval;  ///< "0.523", "[0.501, 0.545]"; interval empty when there is none
};
MetricText format_metric(const Metric& metric);
std::string format_where(const Metric& metric);  ///< "layer 3, neuron 0"
std::string op_sign(const std::string& op);      ///< ">=" as "≥"

std::string join(const std::vector<std::string>& parts, const std::string& separator);
std::string enumerate(const std::vector<std::string>& parts);  ///< "a, b and c"
std::string format_ranges(const std::vector<double>& layers);  ///< {4, 5, 6, 13} as "4–6 and 13"
void replace_all(std::string& text, std::string_view from, std::string_view to);

}  // namespace replicate::report
