#pragma once

#include <string>
#include <vector>

#include "models/core/layer_range.h"
#include "models/core/site.h"

namespace replicate {

/// What a lane keeps of one site for patches of other lanes, which read it by its name (`Transplant`, `MatchedSpread`):
/// the values at these positions (all when empty) and dimensions (heads flattened; all when empty), layer by layer.
struct Recording {
  std::string name;  ///< no other recording of the plan has it
  Site site = Site::head_output;
  LayerRange layers;
  std::vector<int64_t> positions = {};
  std::vector<int64_t> dimensions = {};
  bool operator==(const Recording&) const = default;
};

}  // namespace replicate
