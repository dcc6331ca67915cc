#pragma once

// The paper's causal chain in one figure and one table, put together from what the claims' records say about the
// same model: where it holds, and where it breaks.

#include <optional>

#include "harness/record.h"
#include "reports/document.h"
#include "reports/plot_script.h"

namespace replicate {

inline constexpr const char* kChainFolder = "chain";  ///< of the figure, within the run folder

/// What there is to draw: series of several records as panels over the layers, in the order of the chain.
struct ChainFigure {
  Record record;             ///< carries the series and the panels, and nothing else
  std::vector<LayerMark> marks;  ///< sink layers and spikes
};

/// None where fewer than three links of the chain were measured.
std::optional<ChainFigure> chain_figure(const std::vector<Record>& records);

/// Figure and table; none where there is no figure.
std::optional<Block> chain_section(const std::vector<Record>& records);

}  // namespace replicate
