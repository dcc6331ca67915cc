#pragma once

// Where a model has a sink, and which layer brings it: stages. Position 0's residual vector becomes many times longer
// than the others' after one layer (its spike, a massive activation) and stays so for a run of layers, in which the
// attention goes to it. Models with two stages exist, so a claim about a spike is judged per stage.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace replicate {

/// What the words mean; configs/judging.yaml.
struct StageRule {
  double starts_at =
      0;  ///< a stage starts at a layer at whose input position 0's norm is so many times the others' median
  double ends_below = 0;   ///< and ends before the first layer at whose input it is not even this many times as long
  double sink_excess = 0;  ///< a sink layer has excess attention of at least this
};

/// Which hidden neurons of a spike's FFN write it: outlying rows of W_gate and outlying products |w_up| |w_down|
/// (robust z of the logarithms), a heavy-tailed column of W_down (its kurtosis in medians of the layer), and an
/// activation at position 0 that is many times the 95th percentile of the others' (median over texts).
struct SuperNeuronRule {
  double norm_z = 0, kurtosis = 0, selectivity = 0;
  int64_t else_largest = 0;  ///< so many are taken by |z_0| |w_down| where no neuron meets these
};

/// configs/judging.yaml, what the survey looks for.
struct SurveyRules {
  StageRule stages;
  SuperNeuronRule super_neurons;
};

/// A run of layers in which position 0 is much longer than the others.
struct SinkStage {
  int64_t spike = 0;  ///< the layer before the run, which writes the long vector; 0 where the run starts in layer 1
  int64_t first = 0, last = 0;      ///< its layers
  std::vector<int64_t> sinks = {};  ///< those of them with a sink

  /// Claims about a spike can be judged here.
  bool has_spike_and_sink() const { return spike > 0 && !sinks.empty(); }
};

/// ratio[l - 1]: norm of position 0 over the median norm of the others at the input of layer l; excess[l - 1]: excess
/// attention to position 0 in layer l; both of L layers. In the order of the layers.
std::vector<SinkStage> find_stages(std::span<const double> ratio, std::span<const double> excess,
                                   const StageRule& rule);

/// Those that have a spike and sink layers. A claim bound to a spike has the verdict of the first of them.
std::vector<SinkStage> stages_with_sinks(const std::vector<SinkStage>& stages);

/// How metrics name the stages that they were measured at (`where: {spike: L}`): all together are 0.
inline int64_t spike_of(const std::vector<SinkStage>& stages) { return stages.size() == 1 ? stages.front().spike : 0; }

/// The layer across which the ratio grows most, among those that are no stage's spike nor next to one; 0: none. ratio:
/// of L + 1 values, the last of them at the model's end.
int64_t largest_growth_apart(std::span<const double> ratio, const std::vector<SinkStage>& stages);

}  // namespace replicate
