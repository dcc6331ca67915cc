#pragma once

// How curves look (configs/figures.yaml): a colour belongs to what a curve is of.

#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/record.h"

namespace replicate::report {

struct Style {
  std::string colour, dash;
  int marker = 0;
  bool operator==(const Style&) const = default;
};

/// What curves are of, and the style that this has in every figure.
struct RoleRule {
  std::string role;
  Style style;
  std::optional<std::regex> series;  ///< over the whole name; nothing: any
  std::string inputs;                ///< empty: any
};

struct FigureStyles {
  std::vector<RoleRule> rules;
  std::vector<Style> again;  ///< dashes and markers of further curves of one colour in a panel
};

extern const std::string_view kFiguresYaml;  ///< configs/figures.yaml

/// Error with its line where `text` does not describe styles.
FigureStyles read_figure_styles(const std::string& text, const std::string& file);

/// The role of a curve.
const RoleRule& role_of(const PanelCurve& curve);

/// One for each of the panel's curves. Curves of one role have one colour and differ in dash and marker.
std::vector<Style> styles_of(const Panel& panel);

}  // namespace replicate::report
