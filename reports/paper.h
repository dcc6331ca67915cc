#pragma once

// The paper whose claims are tested, as configs/paper.yaml describes it. The program holds that text, so a report needs
// records and nothing else.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/record/record.h"

namespace replicate::report {

/// One link of the causal chain: what is said of position 0, the claim that looks, and the curves to look at.
struct ChainLink {
  std::string name;  ///< a word or two
  std::string says;
  std::string claim, metric;  ///< the claim's number that stands for this link, which is one of its criteria
  std::string panel_claim;    ///< whose series the panel shows
  std::string panel;          ///< title of its panel: the quantity with its unit
  bool log_y = false;
  std::vector<PanelCurve> curves;
  std::vector<std::pair<std::string, double>> thresholds;
};

/// An intervention: it changes one link and looks at another.
struct ChainArrow {
  std::string links;  ///< "1 → 8"
  std::string says;
  std::string claim, metric;
};

struct Paper {
  std::string title, subtitle;
  int64_t year = 0;
  double sink_excess = 0;  ///< excess attention from which on a layer has a sink
  std::string arxiv;       ///< number
  std::string bibtex;      ///< key
  std::vector<ChainLink> links;
  std::vector<ChainArrow> arrows;
  std::vector<std::string> beyond;                            ///< claims that go beyond the paper
  std::vector<std::pair<std::string, std::string>> glossary;  ///< terms and what they mean
};

extern const std::string_view kPaperYaml;  ///< configs/paper.yaml

/// The paper that kPaperYaml describes, read once.
const Paper& paper();

/// Reads the text of `file`; Error with its line where it does not describe a paper.
Paper read_paper(const std::string& text, const std::string& file);

}  // namespace replicate::report
