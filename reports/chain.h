#pragma once

// The figure of the paper's causal chain (paper.h), put together from what the claims' records say about one model. A
// claim that did not run leaves a gap.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/record/record.h"

namespace replicate::report {

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

/// A run by the name that its curves shall have.
using ChainRun = std::pair<std::string, const std::vector<Record>*>;

/// The chains of several runs: a panel per link, a curve per run over the depth, which is layer / layers, since models
/// differ in how many they have. Holds panels and their series, and nothing else. None where fewer than two runs have a
/// chain.
std::optional<Record> compared_chain(const std::vector<ChainRun>& runs);

/// Null where the claim did not run.
const Record* find_record(const std::vector<Record>& records, const std::string& claim);

}  // namespace replicate::report
