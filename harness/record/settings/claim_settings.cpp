#include "harness/record/settings/claim_settings.h"

#include <algorithm>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "base/yaml.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/definition.h"
#include "harness/record/settings/prior_knowledge.h"
#include "harness/record/settings/requirement_settings.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

PanelCurve read_curve(const Yaml& yaml) {
  yaml.allow({"series", "inputs", "label"});
  return {filled_text(yaml.at("series")), yaml.text_or("inputs", {}), filled_text(yaml.at("label"))};
}

std::pair<std::string, double> read_threshold(const Yaml& yaml) {
  yaml.allow({"label", "value"});
  return {filled_text(yaml.at("label")), yaml.at("value").real()};
}

Panel read_panel(const Yaml& yaml) {
  yaml.allow({"title", "x", "y", "log_x", "log_y", "curves", "thresholds"});
  Panel panel;
  panel.title = filled_text(yaml.at("title"));
  panel.x = filled_text(yaml.at("x"));
  panel.y = filled_text(yaml.at("y"));
  panel.log_x = yaml.flag_or("log_x", false);
  panel.log_y = yaml.flag_or("log_y", false);
  panel.curves = read_list(yaml, "curves", read_curve);
  panel.thresholds = read_list(yaml, "thresholds", read_threshold);
  if (panel.curves.empty()) yaml.fail("has no curves", "name at least one series");
  return panel;
}

PaperReference read_paper(const Yaml& yaml) {
  const Yaml paper = yaml.at("paper");
  paper.allow({"figures", "expected"});
  return {paper.at("figures").texts(), filled_text(yaml.at("statement")), filled_text(paper.at("expected"))};
}

/// Claims without a figure stand last.
int64_t first_figure(const ClaimDraft& claim) {
  int64_t first = INT64_MAX;
  for (const std::string& figure : claim.settings.paper.figures) {
    first = std::min(first, as_integer(figure).value_or(INT64_MAX));
  }
  return first;
}

void sort_as_in_paper(std::vector<ClaimDraft>& claims) {
  std::stable_sort(claims.begin(), claims.end(),
                   [](const ClaimDraft& a, const ClaimDraft& b) { return first_figure(a) < first_figure(b); });
}

}  // namespace

ClaimDraft read_claim(const fs::path& file, const JudgingRules& rules) {
  const Yaml yaml = Yaml::read(file);
  yaml.allow({"id",     "title",      "kind",      "statement", "calibration", "arithmetic",     "arms",
              "paper",  "parameters", "sweep",     "family",    "units",       "missing_units",  "version",
              "stages", "bearing",    "requires",  "checks",    "controls",    "contradicts_if", "panels",
              "notes",  "otherwise",  "deviations"});
  check_name(yaml, "id", file.stem().string());
  ClaimDraft draft;
  draft.file = file.string();
  draft.settings.id = yaml.at("id").text();
  draft.settings.title = filled_text(yaml.at("title"));
  draft.settings.paper = read_paper(yaml);
  draft.settings.judging = {word_of<ClaimKind>(yaml.at("kind")), read_requirements(yaml, rules)};
  draft.settings.fact = rules.fact_of(draft.settings.id);
  draft.settings.calibration = yaml.text_or("calibration", trains(draft) ? kUnknownTraining : kDefaultCalibration);
  draft.settings.panels = read_list(yaml, "panels", read_panel);
  draft.settings.notes = read_list(yaml, "notes", filled_text);
  draft.settings.arithmetic = yaml.text_or("arithmetic", {});
  draft.settings.otherwise = yaml.text_or("otherwise", {});
  draft.settings.deviations = read_list(yaml, "deviations", filled_text);
  if (const auto parameters = yaml.find("parameters")) draft.parameters = draft.own = ParameterTable(*parameters);
  draft.arms = trains(draft) ? yaml.at("arms") : yaml.find("arms");
  if (draft.arms && !trains(draft)) draft.arms->fail("is only for claims of kind training", "remove it");
  draft.sweep = yaml.find("sweep");
  draft.settings.definition_sha256 = definition_sha256(draft, rules.survey);
  return draft;
}

std::vector<ClaimDraft> read_claims(const fs::path& configs, const JudgingRules& rules) {
  std::vector<ClaimDraft> claims;
  const fs::path folder = configs / "claims";
  for (const std::string& name : names_in(folder)) {
    claims.push_back(read_claim(folder / (name + ".yaml"), rules));
  }
  sort_as_in_paper(claims);
  return claims;
}

ParameterTable read_training(const fs::path& configs) {
  const fs::path file = configs / "training.yaml";
  return fs::exists(file) ? ParameterTable(Yaml::read(file)) : ParameterTable();
}

void read_arms(const ParameterTable& training, std::vector<ClaimDraft>& claims) {
  constexpr std::string_view kSeeds = "seeds.";
  std::vector<std::string> known;
  for (const std::string& key : training.keys()) {
    if (key.starts_with(kSeeds)) known.push_back(key.substr(kSeeds.size()));
  }
  for (ClaimDraft& claim : claims) {
    if (!claim.arms) continue;
    claim.settings.arms = claim.arms->texts();
    for (const std::string& arm : claim.settings.arms) {
      if (!contains(known, arm)) claim.arms->fail("names an unknown arm " + in_quotes(arm), did_you_mean(arm, known));
    }
  }
}

}  // namespace replicate
