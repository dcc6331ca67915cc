#include "models/core/check_plan.h"

#include <algorithm>

#include "base/error.h"

namespace replicate {
namespace {

bool wants_logits(const Lane& lane) {
  const auto layers = lane.model->config.layers;
  return std::ranges::any_of(lane.probes, [&](const auto& probe) {
    const auto sites = probe->needs(layers + 1, layers).sites;
    return std::ranges::find(sites, Site::logits) != sites.end();
  });
}

void check_lane(const Lane& lane) {
  TORCH_CHECK(lane.model && lane.tokens, "a lane needs a model and tokens");
  const auto& config = lane.model->config;
  const auto& ids = lane.tokens->ids;
  const auto low = ids.min().item<int64_t>(), high = ids.max().item<int64_t>();
  if (low < 0 || high >= config.vocabulary) {
    throw Error("token id " + std::to_string(low < 0 ? low : high) + " is not in the vocabulary", lane.model->name,
                "use ids from 0 to " + std::to_string(config.vocabulary - 1));
  }
  if (!config.has_head && wants_logits(lane)) {
    throw Error("the model has no output head", lane.model->name, "measure what needs no logits");
  }
  if (const auto most = config.learned_positions; most > 0 && lane.tokens->length() > most) {
    throw Error("sequences of " + std::to_string(lane.tokens->length()) + " tokens are longer than the " +
                    std::to_string(most) + " positions that the model has",
                lane.model->name, "measure shorter ones");
  }
  check_patches(lane.patches, config.layers, lane.tokens->sequences(), lane.tokens->length());
}

[[noreturn]] void reject(const std::string& name, const std::string& what) {
  throw Error("the recording '" + name + "' " + what, "plan", kDefect);
}

/// A recording and the lane that makes it.
struct Source {
  const Recording* recording;
  const Lane* lane;
};

using Sources = std::map<std::string, Source>;  // by name

Sources sources_of(const Plan& plan) {
  Sources sources;
  for (const auto& lane : plan) {
    for (const auto& recording : lane.recordings) {
      if (!sources.try_emplace(recording.name, Source{&recording, &lane}).second) {
        reject(recording.name, "shares its name with another one");
      }
    }
  }
  return sources;
}

void check_read(const RecordingRead& read, const Lane& lane, const Sources& sources) {
  const auto found = sources.find(read.source);
  if (found == sources.end()) reject(read.source, "is read, but no lane makes it");
  const auto& [recording, maker] = found->second;
  if (maker->model != lane.model) reject(read.source, "is made by a lane of another model than the lane that reads it");
  if (recording->site != read.site) reject(read.source, "is of another site than the patch that reads it");
  if (!recording->layers.contains(read.layers)) {
    reject(read.source, "does not keep every layer in which a patch reads it");
  }
  const auto made = maker->tokens->sequences(), reading = lane.tokens->sequences();
  if (read.by_sequence && made != reading) {
    reject(read.source,
           "has " + std::to_string(made) + " sequences and the lane that reads it " + std::to_string(reading));
  }
}

}  // namespace

void check_plan(const Plan& plan) {
  for (const auto& lane : plan) check_lane(lane);
  const auto sources = sources_of(plan);
  for (const auto& lane : plan) {
    for (const auto& patch : lane.patches) {
      for (const auto& read : reads_of(patch)) check_read(read, lane, sources);
    }
  }
}

}  // namespace replicate
