#pragma once

#include "reports/chain.h"
#include "reports/plots/sheet.h"

namespace replicate::report {

/// Low panels above each other, so that one eye movement follows a layer through all links. Grey
/// bands: sink layers; lines: spikes, at the end of the layer that makes them.
Sheet chain_sheet(const ChainFigure& figure);

/// Its panels in numbers, those in which something was measured.
std::vector<Plotted> plotted_panels(const ChainFigure& figure);

}  // namespace replicate::report
