// configs/figures.yaml: one colour per role in every panel of every claim, and no rule that fits nothing.

#include "reports/plots/style.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "harness/record/settings/settings.h"
#include "reports/paper.h"
#include "tests/support/expect_error.h"

namespace replicate::report {
namespace {

/// Of all claims, the chain's, and one of compared runs.
std::vector<Panel> all_panels() {
  std::vector<Panel> panels;
  const auto configs = std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs";
  for (const ClaimSettings& claim : resolve(load_settings({configs, "", "cpu", "", "", {}, std::nullopt})).claims)
    panels.insert(panels.end(), claim.panels.begin(), claim.panels.end());
  Panel compared;
  for (int run = 1; run <= 7; ++run) compared.curves.push_back({"run_" + std::to_string(run), "4", "a model"});
  panels.push_back(compared);
  for (const ChainLink& link : paper().links)
    panels.push_back({link.panel, "layer", "", false, false, link.curves, {}});
  return panels;
}

TEST(FigureStyles, CurvesOfDifferentRolesDifferInColour) {
  for (const Panel& panel : all_panels()) {
    std::map<std::string, std::string> role_of_colour;
    for (const PanelCurve& curve : panel.curves) {
      const RoleRule& rule = role_of(curve);
      const auto& [role, added] = *role_of_colour.emplace(rule.style.colour, rule.role).first;
      EXPECT_EQ(added, rule.role) << panel.title << ": " << curve.series << " " << curve.inputs;
    }
  }
}

TEST(FigureStyles, CurvesOfAPanelDifferInColourDashOrMarker) {
  for (const Panel& panel : all_panels()) {
    const auto styles = styles_of(panel);
    for (size_t i = 0; i < styles.size(); ++i)
      EXPECT_EQ(std::count(styles.begin(), styles.end(), styles[i]), 1)
          << panel.title << ": " << panel.curves[i].series;
  }
}

TEST(FigureStyles, ARoleHasOneColour) {
  std::map<std::string, std::string> colour_of_role;
  for (const RoleRule& rule : read_figure_styles(std::string(kFiguresYaml), "figures.yaml").rules)
    EXPECT_EQ(colour_of_role.emplace(rule.role, rule.style.colour).first->second, rule.style.colour) << rule.role;
}

TEST(FigureStyles, EveryRuleFitsACurve) {
  std::set<const RoleRule*> met;
  for (const Panel& panel : all_panels())
    for (const PanelCurve& curve : panel.curves) met.insert(&role_of(curve));
  std::string roles;
  for (const RoleRule* rule : met) roles += rule->role + "\n";
  EXPECT_EQ(met.size(), read_figure_styles(std::string(kFiguresYaml), "figures.yaml").rules.size()) << roles;
}

TEST(FigureStyles, HostileNamesGetAStyle) {
  for (const std::string& name : {std::string(), std::string(1'000'000, '_'), std::string("a\nb_null")})
    EXPECT_FALSE(role_of({name, "", ""}).style.colour.empty());
}

TEST(FigureStyles, MistakesAreFoundAtTheirLines) {
  const auto read = [](const std::string& rules) {
    return [rules] {
      read_figure_styles("styles:\n  blue: {colour: red, dash: \"1\", marker: 1}\nagain: []\nrules:\n" + rules,
                         "f.yaml");
    };
  };
  expect_error(read("  - {role: a, style: green}\n"), "is none of the styles");
  expect_error(read("  - {role: a, style: blue, series: \"(\"}\n"), "is not a regular expression");
  expect_error(read("  - {role: a, style: blue, colour: b}\n"), "unknown key 'rules[0].colour'");
}

}  // namespace
}  // namespace replicate::report
