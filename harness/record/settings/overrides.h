#pragma once

// --set KEY=VALUE on the command line.

#include <string>

namespace replicate {

struct Draft;

/// Error with "did you mean '...'?" on an unknown key, and on a value of another type than the key's.
void apply_override(Draft& draft, const std::string& text);

}  // namespace replicate
