#pragma once

// The paper's causal chain, put together from what the claims' records say about one model. Only
// the names of claims, series and metrics are known here; a claim that did not run leaves a gap.

#include <optional>
#include <string>
#include <vector>

#include "harness/record/record.h"

namespace replicate {

/// One link: what is said of position 0, the claim that looks, and the curves to look at.
struct ChainLink {
  std::string claim, metric;  ///< the claim's number that stands for this link
  std::string says;
  std::string title;  ///< of its panel: the quantity with its unit
  bool log_y = false;
  std::vector<PanelCurve> curves;
  std::vector<std::pair<std::string, double>> thresholds;
};
const std::vector<ChainLink>& chain_links();

/// An intervention: it changes one link and looks at another.
struct ChainArrow {
  std::string links;  ///< "1 → 8"
  std::string claim, metric;
  std::string says;
};
const std::vector<ChainArrow>& chain_arrows();

/// What one figure shows: a panel for every link that was measured, all over the same layers.
struct ChainFigure {
  Record series;  ///< holds the panels and their series, and nothing else
  double layers = 0;
  std::vector<double> sink_layers;  ///< by this run's excess attention
  std::vector<double> spikes;       ///< layers whose output spikes
  double dominant_spike = 0;        ///< 0: none
};

/// None where fewer than three links were measured.
std::optional<ChainFigure> chain_figure(const std::vector<Record>& records);

/// Null where the claim did not run.
const Record* find_record(const std::vector<Record>& records, const std::string& claim);

}  // namespace replicate
