#pragma once

#include <string>

namespace replicate {

/// A cell of a CSV file (RFC 4180): in quotes where it holds a comma, a quote or the end of a line.
std::string csv_cell(const std::string& text);

}  // namespace replicate
