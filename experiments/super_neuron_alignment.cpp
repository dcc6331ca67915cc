// In the FFN of a spike layer a few hidden neurons with outlying W_gate and W_up rows fire for position 0 alone and
// write the spike through heavy-tailed W_down columns (paper, figures 8 to 10; Llama-2-7B: neuron 7890 into
// dimension 2533). The survey names the neurons; here the neurons of the dominant spike's layer are tested
// again, on other sequences, and those that meet the criteria in a resample count in that resample.
// Controls: neurons of the same layer that contribute alike at other positions; the null model.
// Cost: one forward pass per condition. experiments/described/super_neurons.cpp has all layers and each neuron.

#include "base/error.h"
#include "harness/study/claim.h"
#include "harness/study/measures/neuron_probes.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

using Indices = std::vector<int64_t>;

Tensor index_of(const Indices& indices) { return at::tensor(indices, at::kLong); }

struct Thresholds {
  double selectivity, norm_z, kurtosis;
  explicit Thresholds(const Parameters& parameters)
      : selectivity(parameters.real("selectivity")),
        norm_z(parameters.real("norm_z")),
        kurtosis(parameters.real("kurtosis")) {}
};

/// What is observed of one condition.
struct Observed {
  Condition on;
  std::shared_ptr<NeuronProbe> neurons;
};

/// Neurons whose weights alone meet the criteria: they do not depend on the sequences.
Indices candidates(const NeuronWeights& weights, const Thresholds& limits) {
  const auto median = at::quantile(weights.down_kurtosis, 0.5);
  const auto meets = (weights.gate_norm_z > limits.norm_z)
                         .logical_and(weights.up_norm_z > limits.norm_z)
                         .logical_and(weights.down_kurtosis > limits.kurtosis * median);  // [F]
  return to_vector<int64_t>(meets.nonzero());
}

/// From means [3 C] = |z_0|, max |z_t|, written share of C candidates: the share that those write which are also
/// selective, and how many they are.
std::vector<double> written_by_super(std::span<const double> means, double selectivity) {
  const auto count = means.size() / 3;
  double share = 0, neurons = 0;
  for (size_t n = 0; n < count; ++n) {
    if (!(means[n] > selectivity * means[count + n])) continue;
    share += means[2 * count + n];
    ++neurons;
  }
  return {share, neurons};
}

/// Columns of samples: three numbers of each candidate.
std::vector<SampleColumn> candidate_columns(int64_t layer, const Indices& neurons) {
  std::vector<SampleColumn> columns;
  for (const auto* name : {"activation_first", "activation_rest_max", "written_share"}) {
    for (const auto n : neurons) columns.push_back({name, {{"layer", layer}, {"neuron", n}}});
  }
  return columns;
}

/// How much of the spike the super neurons write; and the largest writer, which says more where no neuron's weights
/// stand out, as in the null model.
void report_written_energy(const Observed& one, int64_t spike, const Thresholds& limits, Measure& measure) {
  const auto& neurons = *one.neurons;
  const auto found = candidates(neurons.weights(spike), limits);
  const auto of_found = [index = index_of(found)](const Tensor& x) { return x.index_select(1, index); };
  const auto share = neurons.written_share(spike);  // [B, F]
  const auto values = at::cat({of_found(neurons.first(spike)), of_found(neurons.rest_max(spike)), of_found(share)},
                              1);  // [B, 3 C]
  measure.of_means({"written_energy_share", "super_neurons"}, one.on, candidate_columns(spike, found), values,
                   [&](std::span<const double> means) { return written_by_super(means, limits.selectivity); });
  measure.population({"largest_written_share"}, one.on,
                     [&](const Tensor& weights) { return at::matmul(weights, share).amax(1, true); });
}

/// What the survey's super neurons write here, and what the neurons matched to them do.
void report_surveyed(const Observed& one, const SpikeWriters& writers, const Thresholds& limits, Measure& measure) {
  const auto share = one.neurons->written_share(writers.layer);  // [B, F]
  const auto sum = [&](const Indices& neurons) { return share.index_select(1, index_of(neurons)).sum(1); };
  measure.mean("written_energy_share_matched", one.on, sum(writers.matched_neurons));
  measure.mean("written_energy_share_surveyed", one.on, sum(writers.neurons));
  measure.value("candidate_neurons", one.on,
                static_cast<double>(candidates(one.neurons->weights(writers.layer), limits).size()));
}

/// 1 where the neuron writes most into one of these dimensions. A fact of the weights, the same for every text.
double writes_into(const NeuronWeights& weights, int64_t neuron, const Indices& dimensions) {
  const auto dimension = weights.outlier_dimension[neuron].item<int64_t>();
  return std::ranges::find(dimensions, dimension) == dimensions.end() ? 0 : 1;
}

/// The neuron that the claim's settings name: what it writes, how selective it is, and whether into those dimensions.
void report_named(const Observed& one, const Parameters& parameters, Measure& measure) {
  const auto layer = parameters.integer("named.layer"), neuron = parameters.integer("named.neuron");
  const auto first = one.neurons->first(layer), rest_max = one.neurons->rest_max(layer);  // [B, F]
  if (neuron >= first.size(1)) {
    throw Error("the named neuron is beyond the layer's last", "super_neuron_alignment", "correct named.neuron");
  }
  measure.mean("named_neuron_written_share", one.on, one.neurons->written_share(layer).select(1, neuron));
  measure.population({"named_neuron_selectivity"}, one.on, [&](const Tensor& weights) {
    const auto at_first = at::matmul(weights, first.select(1, neuron));
    return (at_first / at::matmul(weights, rest_max.select(1, neuron))).unsqueeze(1);
  });
  const auto writes = writes_into(one.neurons->weights(layer), neuron, parameters.integers("named.dimensions"));
  measure.mean("named_neuron_writes_named_dimension", one.on,
               at::full({one.on.tokens->sequences()}, writes, at::kDouble));
}

Indices judged_layers(int64_t spike, int64_t named) {
  return named > 0 && named != spike ? Indices{spike, named} : Indices{spike};
}

Observed observe(Claim& claim, const Condition& on, const Indices& layers) {
  require_other_positions(on, "super_neuron_alignment");
  return {on, claim.run(on).add(std::make_shared<NeuronProbe>(layers))};
}

void super_neuron_alignment(Claim& claim) {
  if (!claim.config().gated_ffn) {
    claim.report([](Measure& measure) {
      measure.inapplicable("the FFN has no gate: super neurons are defined by rows of W_gate and W_up");
    });
    return;
  }
  const auto spike = claim.spike();
  const auto named = claim.parameters.integer("named.layer");
  const Thresholds limits(claim.parameters);
  std::vector<Observed> observed;  // the judged condition first
  for (const auto& on : claim.conditions()) {
    observed.push_back(observe(claim, on, judged_layers(spike, named)));
    claim.report([=, one = observed.back()](Measure& measure) { report_written_energy(one, spike, limits, measure); });
  }
  claim.report([=, &claim, judged = observed.front()](Measure& measure) {
    if (named > 0) report_named(judged, claim.parameters, measure);
    report_surveyed(judged, claim.survey.writers_of(spike), limits, measure);
  });
}

REPLICATE_CLAIM(super_neuron_alignment, "natural", "random", "null_model", "selectivity", "norm_z", "kurtosis",
                "named.layer", "named.neuron", "named.dimensions");

}  // namespace
}  // namespace replicate
