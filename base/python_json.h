#pragma once

#include <string>
#include <string_view>

namespace replicate {

/// A JSON text in which NaN, Infinity and -Infinity, which Python writes and JSON does not have, have become strings: a
/// reader that wants such a number finds no number, and one that does not read the key goes on.
std::string quote_python_numbers(std::string_view json);

}  // namespace replicate
