#include "harness/record/stages.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "base/error.h"

namespace replicate {

std::vector<SinkStage> find_stages(std::span<const double> ratio, std::span<const double> excess,
                                   const StageRule& rule) {
  if (ratio.size() != excess.size()) {
    throw Error(std::to_string(ratio.size()) + " norm ratios against " + std::to_string(excess.size()) +
                    " values of excess attention",
                "finding stages", kDefect);
  }
  std::vector<SinkStage> stages;
  bool within = false;
  for (size_t i = 0; i < ratio.size(); ++i) {
    const auto layer = static_cast<int64_t>(i) + 1;
    // A ratio that is NaN neither starts a stage nor goes on with one.
    within = within ? ratio[i] >= rule.ends_below : ratio[i] >= rule.starts_at;
    if (!within) continue;
    if (stages.empty() || stages.back().last != layer - 1) stages.push_back({.spike = layer - 1, .first = layer});
    stages.back().last = layer;
    if (excess[i] >= rule.sink_excess) stages.back().sinks.push_back(layer);
  }
  return stages;
}

std::vector<SinkStage> stages_with_sinks(const std::vector<SinkStage>& stages) {
  std::vector<SinkStage> found;
  std::copy_if(stages.begin(), stages.end(), std::back_inserter(found),
               [](const SinkStage& stage) { return stage.has_spike_and_sink(); });
  return found;
}

int64_t largest_growth_apart(std::span<const double> ratio, const std::vector<SinkStage>& stages) {
  int64_t found = 0;
  double most = 0;
  for (size_t i = 0; i + 1 < ratio.size(); ++i) {
    const auto layer = static_cast<int64_t>(i) + 1;
    const bool apart = std::ranges::none_of(
        stages, [&](const SinkStage& stage) { return stage.spike > 0 && std::abs(stage.spike - layer) <= 1; });
    const auto growth = ratio[i + 1] / ratio[i];
    if (!apart || !(growth > most)) continue;
    found = layer;
    most = growth;
  }
  return found;
}

}  // namespace replicate
