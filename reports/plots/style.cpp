#include "reports/plots/style.h"

#include <map>

#include "base/error.h"
#include "base/yaml.h"

namespace replicate::report {
namespace {

constexpr int kMarkers = 15;          // that gnuplot has
constexpr size_t kLongestName = 100;  // of a series that is looked up; a record may hold any text

Style read_style(const Yaml& yaml) {
  return {yaml.text_or("colour", ""), yaml.at("dash").text(), static_cast<int>(yaml.at("marker").integer(1, kMarkers))};
}

std::regex read_regex(const Yaml& yaml) {
  try {
    return std::regex(yaml.text(), std::regex::optimize);
  } catch (const std::regex_error&) {
    yaml.fail("is not a regular expression", "mend it");
  }
}

RoleRule read_rule(const Yaml& yaml, const std::map<std::string, Style>& styles) {
  yaml.allow({"role", "style", "series", "inputs"});
  const auto style = styles.find(yaml.at("style").text());
  if (style == styles.end()) yaml.at("style").fail("is none of the styles", "name one of those above");
  RoleRule rule{yaml.at("role").text(), style->second, std::nullopt, yaml.text_or("inputs", "")};
  if (const auto series = yaml.find("series")) rule.series = read_regex(*series);
  return rule;
}

const FigureStyles& figure_styles() {
  static const FigureStyles kStyles = read_figure_styles(std::string(kFiguresYaml), "configs/figures.yaml");
  return kStyles;
}

bool fits(const RoleRule& rule, const PanelCurve& curve) {
  if (!rule.inputs.empty() && rule.inputs != curve.inputs) return false;
  if (!rule.series) return true;
  return curve.series.size() <= kLongestName && std::regex_match(curve.series, *rule.series);
}

}  // namespace

FigureStyles read_figure_styles(const std::string& text, const std::string& file) {
  const Yaml yaml = Yaml::parse_file(text, file);
  yaml.allow({"styles", "again", "rules"});
  std::map<std::string, Style> styles;
  for (const auto& [name, style] : yaml.at("styles").entries()) {
    style.allow({"colour", "dash", "marker"});
    styles.emplace(name, read_style(style));
  }
  FigureStyles figure;
  for (const Yaml& rule : yaml.at("rules").items()) figure.rules.push_back(read_rule(rule, styles));
  for (const Yaml& style : yaml.at("again").items()) figure.again.push_back(read_style(style));
  if (figure.rules.empty()) yaml.at("rules").fail("is empty", "give a rule that fits any curve");
  return figure;
}

const RoleRule& role_of(const PanelCurve& curve) {
  const auto& rules = figure_styles().rules;
  for (const RoleRule& rule : rules)
    if (fits(rule, curve)) return rule;
  return rules.back();
}

std::vector<Style> styles_of(const Panel& panel) {
  std::map<std::string, size_t> seen;  // curves of a colour so far
  std::vector<Style> styles;
  for (const PanelCurve& curve : panel.curves) {
    Style style = role_of(curve).style;
    const auto& again = figure_styles().again;
    if (const size_t earlier = seen[style.colour]++; earlier > 0 && !again.empty()) {
      const Style& other = again[(earlier - 1) % again.size()];
      style.dash = other.dash;
      style.marker = other.marker;
    }
    styles.push_back(std::move(style));
  }
  return styles;
}

}  // namespace replicate::report
