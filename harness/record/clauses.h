#pragma once

// How a verdict's reason says things.

#include <string>

namespace replicate {

/// Four significant digits. Infinite is as good as NaN, "no value": a quotient without a denominator. A record on disk
/// knows one null for both.
std::string short_number(double value);

/// 17 significant digits, which read back as the same number.
std::string exact_number(double value);

/// Adds a clause to a sentence: "; " stands between them.
void add_clause(std::string& sentence, const std::string& clause);

}  // namespace replicate
