#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace replicate {

/// One look at a run while it trains.
struct CurvePoint {
  int64_t step = 0;       ///< optimiser steps done
  double seconds = 0;     ///< spent in steps so far, validation and checkpoints left out
  double train_loss = 0;  ///< mean over the steps since the last point, nats per token; NaN at step 0
  double validation_loss = 0;
  double gradient_norm = 0;  ///< of the last step, before clipping; NaN at step 0
};

/// The history of a run, saved in each of its checkpoints.
struct RunHistory {
  std::vector<CurvePoint> curve;
  double seconds = 0;   ///< spent in steps
  std::string stopped;  ///< why it ended before its last step; empty: it did not
};

std::string history_to_json(const RunHistory& history);
RunHistory history_from_json(const std::string& text, const std::string& where);  ///< Error when damaged

}  // namespace replicate
