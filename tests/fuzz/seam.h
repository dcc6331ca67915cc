#pragma once

#include <string_view>

namespace replicate {

/// Stands between the files of a split model, or a tokenizer and a text, where a fuzzer has one input for all of them.
constexpr std::string_view kSeam = "=SEAM=";

}  // namespace replicate
