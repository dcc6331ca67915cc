#include "harness/record/survey.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_section.h"

namespace replicate {
namespace {

constexpr int kSurveySchema = 5;
constexpr int64_t kLargest = int64_t{1} << 24;  // as of a model's counts

[[noreturn]] void fail(const std::string& where) {
  throw Error("not a survey", where, "delete the file; it will be made again");
}

bool between(int64_t least, const std::vector<int64_t>& values) {
  return std::ranges::all_of(values, [&](int64_t value) { return value >= least && value <= kLargest; });
}

bool are_layers(const std::vector<int64_t>& values) { return between(1, values) && std::ranges::is_sorted(values); }

nlohmann::ordered_json writers_to_json(const StageWriters& one) {
  return {{"spike", one.spike}, {"neurons", one.neurons}, {"by_rule", one.by_rule}, {"dimensions", one.dimensions}};
}

StageWriters writers_from_json(const nlohmann::json& json) {
  return {json.at("spike"), json.at("neurons"), json.at("by_rule"), json.at("dimensions")};
}

bool are_sound(const StageWriters& one) {
  return between(1, {one.spike}) && between(0, one.neurons) && between(0, one.dimensions);
}

/// Layers, neurons and dimensions that some model has, and layers in ascending order: experiments make room for as
/// many, and search them.
bool is_sound(const Survey& survey) {
  std::vector<int64_t> spikes, writers;
  for (const auto& spike : survey.sinks.spikes) spikes.push_back(spike.layer);
  for (const auto& one : survey.writers) {
    writers.push_back(one.layer);
    for (const auto* list : {&one.neurons, &one.matched_neurons, &one.dimensions, &one.matched_dimensions}) {
      if (!between(0, *list)) return false;
    }
  }
  if (!std::ranges::all_of(survey.stage_writers, are_sound)) return false;
  if (survey.writers_apart && !are_sound(*survey.writers_apart)) return false;
  for (const auto& stage : survey.stages) {
    const bool ordered = stage.spike + 1 == stage.first && stage.first <= stage.last;
    if (!ordered || !between(1, {stage.first, stage.last}) || !are_layers(stage.sinks)) return false;
  }
  if (!are_layers(survey.sinks.sink_layers) || !are_layers(spikes) || !are_layers(writers)) return false;
  const auto dominant = survey.sinks.dominant_spike;
  return dominant == 0 || std::ranges::find(spikes, dominant) != spikes.end();
}

nlohmann::json parse_survey(const std::string& text, const std::string& where) {
  try {
    return parse_json(text, where);
  } catch (const Error&) {  // its remedy is for files that were fetched
    fail(where);
  }
}

}  // namespace

std::vector<int64_t> SinkProfile::sink_layers_after(int64_t layer) const {
  const auto first = std::upper_bound(sink_layers.begin(), sink_layers.end(), layer);
  return {first, sink_layers.end()};
}

SinkProfile find_sinks(std::span<const double> excess, std::span<const double> first_norm,
                       std::span<const double> rest_norm, double sink_excess) {
  SinkProfile profile;
  const auto ratio = [&](size_t i) { return first_norm[i] / rest_norm[i]; };
  double most_added = 0;
  for (size_t i = 0; i < excess.size(); ++i) {
    const auto layer = static_cast<int64_t>(i) + 1;
    if (excess[i] >= sink_excess) profile.sink_layers.push_back(layer);
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
  throw Error("layer " + std::to_string(spike_layer) + " is not a spike of the survey", "survey", kDefect);
}

const StageWriters& Survey::stage_writers_of(int64_t spike_layer) const {
  for (const auto& one : stage_writers) {
    if (one.spike == spike_layer) return one;
  }
  throw Error("layer " + std::to_string(spike_layer) + " is not a stage's spike in the survey", "survey", kDefect);
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
    json["spikes"].push_back({{"layer", spike.layer}, {"growth", spike.growth}, {"norm_added", spike.norm_added}});
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
  json["stages"] = nlohmann::ordered_json::array();
  for (const auto& stage : survey.stages) {
    json["stages"].push_back(
        {{"spike", stage.spike}, {"first", stage.first}, {"last", stage.last}, {"sinks", stage.sinks}});
  }
  json["stage_writers"] = nlohmann::ordered_json::array();
  for (const auto& one : survey.stage_writers) json["stage_writers"].push_back(writers_to_json(one));
  if (survey.writers_apart) json["writers_apart"] = writers_to_json(*survey.writers_apart);
  json["ratio"] = survey.ratio;
  json["rest_norm"] = survey.rest_norm;
  json["excess"] = survey.excess;
  json["sink_excess"] = survey.sink_excess;
  return json.dump(2) + "\n";
}

Survey survey_from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = parse_survey(text, where);
    Survey survey;
    if (json.at("schema") != kSurveySchema) return survey;  // of an older version: made again
    survey.key = json.at("key");
    survey.sinks.sink_layers = json.at("sink_layers").get<std::vector<int64_t>>();
    survey.sinks.dominant_spike = json.at("dominant_spike");
    for (const auto& spike : json.at("spikes")) {
      survey.sinks.spikes.push_back({spike.at("layer"), spike.at("growth"), spike.at("norm_added")});
    }
    for (const auto& one : json.at("writers")) {
      survey.writers.push_back({one.at("layer"), one.at("neurons"), one.at("by_criteria"), one.at("matched_neurons"),
                                one.at("dimensions"), one.at("matched_dimensions")});
    }
    for (const auto& stage : json.at("stages")) {
      survey.stages.push_back({stage.at("spike"), stage.at("first"), stage.at("last"), stage.at("sinks")});
    }
    for (const auto& one : json.at("stage_writers")) survey.stage_writers.push_back(writers_from_json(one));
    if (json.contains("writers_apart")) survey.writers_apart = writers_from_json(json.at("writers_apart"));
    survey.ratio = json.at("ratio").get<std::vector<double>>();
    survey.rest_norm = json.at("rest_norm").get<std::vector<double>>();
    survey.excess = json.at("excess").get<std::vector<double>>();
    survey.sink_excess = json.at("sink_excess");
    if (!is_sound(survey)) fail(where);
    return survey;
  } catch (const nlohmann::json::exception&) {
    fail(where);
  }
}

}  // namespace replicate
