#pragma once

// configs/profiles/<name>.yaml: the sizes of a run, and the model that it measures by default.

#include <string>

namespace replicate {

struct Draft;
class Yaml;

/// Error when the file is not as a profile's should be, or names a claim or parameter that does not exist.
void apply_profile(Draft& draft, const Yaml& yaml, const std::string& name);

}  // namespace replicate
