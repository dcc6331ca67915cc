#pragma once

#include <string_view>

namespace replicate {

/// The report's whole style sheet. No fonts, images or scripts from elsewhere.
extern const std::string_view kStyleSheet;

/// An invisible <svg> that defines one icon a verdict: #icon-pass, #icon-fail, ...
extern const std::string_view kIcons;

}  // namespace replicate
