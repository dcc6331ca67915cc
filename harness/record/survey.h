#pragma once

// Which layers matter: found once per model on sequences of its own, so that claims measure at layers that
// were not selected on the data they are judged on.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/record/stages.h"

namespace replicate {

// What the words mean; these define terms, they judge nothing.
inline constexpr double kSpikeGrowth = 2;  ///< a spike multiplies token 0's relative norm by this ...
inline constexpr double kSpikeRatio = 5;   ///< ... to at least this many times the others' median

/// A layer whose output carries a much larger residual norm at position 0 than its input.
struct Spike {
  int64_t layer = 0;
  double growth = 0;      ///< factor by which the norm ratio grows across the layer
  double norm_added = 0;  ///< increase of token 0's norm
};

/// What the series of one model say about its sink.
struct SinkProfile {
  std::vector<int64_t> sink_layers;  ///< layers with a sink (StageRule::sink_excess), in a stage or not
  std::vector<Spike> spikes;
  int64_t dominant_spike = 0;  ///< the spike layer that adds most norm, 0 without one

  int64_t onset_layer() const { return sink_layers.empty() ? 0 : sink_layers.front(); }
  int64_t last_spike() const { return spikes.empty() ? 0 : spikes.back().layer; }
  /// Sink layers deeper than `layer`.
  std::vector<int64_t> sink_layers_after(int64_t layer) const;
};

/// excess[l - 1]: excess attention in layer l, L values. first_norm[l - 1] and rest_norm[l - 1]: norm of
/// position 0 and median norm of the rest at the input of layer l, L + 1 values (the last one is the
/// output of layer L). A sink layer has excess attention of at least `sink_excess`.
SinkProfile find_sinks(std::span<const double> excess, std::span<const double> first_norm,
                       std::span<const double> rest_norm, double sink_excess);

/// True when the sink starts right after a spike, or in a spike layer whose input is already lopsided
/// (norm ratio >= kSpikeGrowth): the onset the paper's figure 3 shows.
bool onset_follows_spike(const SinkProfile& profile, std::span<const double> first_norm,
                         std::span<const double> rest_norm);

// A super neuron writes much of a spike, at position 0 alone, from outlying weights into few dimensions (the
// claim super_neuron_alignment judges how well they do).
inline constexpr double kSuperSelectivity = 10;  ///< mean |z_0| over mean max |z_t|
inline constexpr double kSuperNormZ = 3;         ///< robust z of the log norms of its W_gate and W_up rows
inline constexpr double kSuperKurtosis = 10;     ///< kurtosis of its W_down column, in medians of the layer
inline constexpr int64_t kTopWriters = 4;        ///< taken by contribution where no neuron meets those

/// Through which neurons and residual dimensions a spike layer writes it.
struct SpikeWriters {
  int64_t layer = 0;
  std::vector<int64_t> neurons;             ///< by falling contribution |z_0| |w_down|
  bool by_criteria = false;                 ///< false: no neuron met the criteria; the kTopWriters largest
  std::vector<int64_t> matched_neurons;     ///< as many others, alike in what they contribute elsewhere
  std::vector<int64_t> dimensions;          ///< the kTopWriters largest of position 0's residual after the layer
  std::vector<int64_t> matched_dimensions;  ///< as many others, alike in size at other positions
};

/// Through which neurons and residual dimensions the spike of a stage (stages.h) is written.
struct StageWriters {
  int64_t spike = 0;                  ///< the layer
  std::vector<int64_t> neurons = {};  ///< super neurons, by falling contribution |z_0| |w_down|
  bool by_rule = false;               ///< false: none met the rule, and these are the largest by contribution
  std::vector<int64_t> dimensions =
      {};  ///< the kWritten largest of position 0's residual after the layer, by falling size

  static constexpr int64_t kWritten = 256;
};

struct Survey {
  SinkProfile sinks;
  std::vector<SpikeWriters> writers;  ///< one per spike, in the order of sinks.spikes
  std::vector<SinkStage> stages;
  std::vector<StageWriters> stage_writers;    ///< one per stage that has a spike, in their order
  std::optional<StageWriters> writers_apart;  ///< of the layer across which the ratio grows most away from any spike
                                              ///< (largest_growth_apart); nothing where there is none
  std::vector<double> ratio;  ///< [L + 1] norm of position 0 over the others' median, at the input of each layer and at
                              ///< the end
  std::vector<double> rest_norm;  ///< [L + 1] that median
  std::vector<double> excess;     ///< [L] excess attention to position 0
  double sink_excess = 0;         ///< excess attention from which on a layer has a sink, by the rule of this survey
  std::string key;                ///< what it was made from: model, inputs; another key, another survey
  bool assumed = false;           ///< made up for --dry-run, where nothing was measured yet

  /// Of the spike in that layer; it must be one.
  const SpikeWriters& writers_of(int64_t spike_layer) const;
  const StageWriters& stage_writers_of(int64_t spike_layer) const;
};

std::string survey_to_json(const Survey& survey);
Survey survey_from_json(const std::string& text, const std::string& where);

}  // namespace replicate
