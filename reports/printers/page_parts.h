#pragma once

// The parts of report.html that are files of their own here, embedded by cmake/embed_text.cmake.

#include <string_view>

namespace replicate::report {

/// The page's whole style sheet: no fonts, images or scripts from elsewhere. Colours are Okabe and Ito's, darkened on
/// light ground and lightened on dark until text on them has a contrast of 4.5 : 1. Verdicts differ in word and shape
/// as well.
extern const std::string_view kStyleSheet;

/// The page's only script: opens the contents where they have a sidebar, marks the section in view in them, and moves
/// the layer slider. The page is whole without it. "#layer=12" in the address sets the slider.
extern const std::string_view kScript;

/// An invisible <svg> that defines one icon per verdict: #icon-pass, #icon-fail, ...
extern const std::string_view kIcons;

}  // namespace replicate::report
