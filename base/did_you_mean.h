#pragma once

// A typo in a name should cost one line, not a search through the files.

#include <string>
#include <vector>

namespace replicate {

/// The closest of `candidates` by edit distance, as "did you mean 'x'?" or a list of what exists.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace replicate
