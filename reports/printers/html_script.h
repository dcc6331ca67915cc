#pragma once

#include <string_view>

namespace replicate {

/// The report's only script: marks the section in view in the contents, and moves the layer slider. The page is whole
/// without it. "#layer=12" in the address sets the slider.
extern const std::string_view kScript;

}  // namespace replicate
