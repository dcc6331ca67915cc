#include "harness/survey.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "models/formats/error.h"

namespace replicate {

constexpr int kSurveySchema = 2;

std::vector<int64_t> SinkProfile::sink_layers_after(int64_t layer) const {
  const auto first = std::upper_bound(sink_layers.begin(), sink_layers.end(), layer);
  return {first, sink_layers.end()};
}

SinkProfile find_sinks(std::span<const double> excess, std::span<const double> first_norm,
                       std::span<const double> rest_norm) {
  SinkProfile profile;
  const auto ratio = [&](size_t i) { return first_norm[i] / rest_norm[i]; };
  double most_added = 0;
  for (size_t i = 0; i < excess.size(); ++i) {
    const auto layer = static_cast<int64_t>(i) + 1;
    if (excess[i] >= kSinkExcess) profile.sink_layers.push_back(layer);
    const double growth = ratio(i + 1) / ratio(i);
    if (!(growth >= kSpikeGrowth && ratio(i + 1) >= kSpikeRatio)) continue;
    const double added = first_norm[i + 1] - first_norm[i];
    profile.spikes.push_back({layer, growth, added});
    if (added > most_added) {
      most_added = added;
      profile.dominant_spike = layer;
    }
  }
  return profile;
}

bool onset_follows_spike(const SinkProfile& profile, std::span<const double> first_norm,
                         std::span<const double> rest_norm) {
  const auto onset = profile.onset_layer();
  if (onset == 0) return false;
  return std::any_of(profile.spikes.begin(), profile.spikes.end(), [&](const Spike& spike) {
    const auto input = static_cast<size_t>(spike.layer) - 1;
    const bool lopsided = first_norm[input] / rest_norm[input] >= kSpikeGrowth;
    return onset == spike.layer + 1 || (onset == spike.layer && lopsided);
  });
}

const SpikeWriters& Survey::writers_of(int64_t spike_layer) const {
  for (const auto& one : writers) {
    if (one.layer == spike_layer) return one;
  }
  throw Error("layer " + std::to_string(spike_layer) + " is no spike of the survey", "survey",
              "correct the experiment");
}

std::string survey_to_json(const Survey& survey) {
  nlohmann::ordered_json json;
  json["schema"] = kSurveySchema;
  json["key"] = survey.key;
  json["onset_layer"] = survey.sinks.onset_layer();
  json["sink_layers"] = survey.sinks.sink_layers;
  json["dominant_spike"] = survey.sinks.dominant_spike;
  json["spikes"] = nlohmann::ordered_json::array();
  for (const auto& spike : survey.sinks.spikes) {
    json["spikes"].push_back(
        {{"layer", spike.layer}, {"growth", spike.growth}, {"norm_added", spike.norm_added}});
  }
  json["writers"] = nlohmann::ordered_json::array();
  for (const auto& one : survey.writers) {
    json["writers"].push_back({{"layer", one.layer},
                               {"neurons", one.neurons},
                               {"by_criteria", one.by_criteria},
                               {"matched_neurons", one.matched_neurons},
                               {"dimensions", one.dimensions},
                               {"matched_dimensions", one.matched_dimensions}});
  }
  return json.dump(2) + "\n";
}

Survey survey_from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = nlohmann::json::parse(text);
    Survey survey;
    if (json.at("schema") != kSurveySchema) return survey;  // of an older version: made again
    survey.key = json.at("key");
    survey.sinks.sink_layers = json.at("sink_layers").get<std::vector<int64_t>>();
    survey.sinks.dominant_spike = json.at("dominant_spike");
    for (const auto& spike : json.at("spikes")) {
      survey.sinks.spikes.push_back(
          {spike.at("layer"), spike.at("growth"), spike.at("norm_added")});
    }
    for (const auto& one : json.at("writers")) {
      survey.writers.push_back({one.at("layer"), one.at("neurons"), one.at("by_criteria"),
                                one.at("matched_neurons"), one.at("dimensions"),
                                one.at("matched_dimensions")});
    }
    return survey;
  } catch (const nlohmann::json::exception& e) {
    throw Error("not a survey", where, "delete the file; it will be made again");
  }
}

}  // namespace replicate
