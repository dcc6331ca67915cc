// What surrounds the claim super_neuron_alignment: in each layer what the neuron that contributes most adds and how
// selective the most selective one is, then every number of the survey's super neurons and of the neurons matched to
// them, the dominant spike's layer as figures 8 to 10 show it, and the neuron that others have named for a model.
// Cost: the claim's forward passes, in all layers.

#include "base/error.h"
#include "harness/study/bins.h"
#include "harness/study/claim.h"
#include "harness/study/measures/neuron_probes.h"
#include "harness/study/measures/neuron_traces.h"

namespace replicate {
namespace {

/// What is observed on the judged sequences.
struct Observed {
  Condition on;
  std::shared_ptr<NeuronProbe> neurons;
  std::shared_ptr<NeuronTraces> traces;  // of the survey's neurons
};

struct Neuron {
  int64_t layer, number;
  int64_t index;  // in the traces of its layer

  std::map<std::string, int64_t> where() const { return {{"layer", layer}, {"neuron", number}}; }
};

/// max_n a_n / b_n of resampled means of a and b [B, F]: [R]. In pieces, so that R x F numbers are never held.
Tensor largest_ratio(const Tensor& weights, const Tensor& a, const Tensor& b) {
  std::vector<Tensor> largest;
  const auto parts_a = a.split(1024, 1), parts_b = b.split(1024, 1);
  for (size_t i = 0; i < parts_a.size(); ++i) {
    const auto below = at::matmul(weights, parts_b[i]).clamp_min(1e-30);
    largest.push_back((at::matmul(weights, parts_a[i]) / below).amax(1));
  }
  return at::stack(largest).amax(0);
}

/// From weights [R, B], by layer: [R, L].
Tensor largest_selectivity(const NeuronProbe& neurons, int64_t layers, const Tensor& weights) {
  std::vector<Tensor> all;
  for (int64_t layer = 1; layer <= layers; ++layer) {
    all.push_back(largest_ratio(weights, neurons.first(layer), neurons.rest_max(layer)));
  }
  return at::stack(all, 1);
}

void report_by_layer(const Condition& on, const NeuronProbe& neurons, Measure& measure) {
  std::vector<Tensor> first, rest;  // [B] per layer
  for (int64_t layer = 1; layer <= on.layers(); ++layer) {
    const auto& down = neurons.weights(layer).down_norm;  // [F]
    first.push_back((neurons.first(layer) * down).amax(1));
    rest.push_back((neurons.rest_max(layer) * down).amax(1));
  }
  measure.by_layer("largest_contribution_first", on, at::stack(first, 1), on.layers());
  measure.by_layer("largest_contribution_rest", on, at::stack(rest, 1), on.layers());
  measure.population_series("largest_selectivity", on, "layer", layer_numbers(on.layers()),
                            [&](const Tensor& w) { return largest_selectivity(neurons, on.layers(), w); });
}

void report_weights(const Condition& on, const NeuronWeights& weights, const Neuron& neuron, Measure& measure) {
  const auto value = [&](const std::string& name, const Tensor& x) {
    measure.value(name, on, x[neuron.number].item().toDouble(), neuron.where());
  };
  value("gate_norm_z", weights.gate_norm_z);
  value("up_norm_z", weights.up_norm_z);
  value("down_kurtosis", weights.down_kurtosis);
  value("down_kurtosis_over_median", weights.down_kurtosis / at::quantile(weights.down_kurtosis, 0.5));
  value("down_top_share", weights.down_top_share);
  value("outlier_dimension", weights.outlier_dimension);
}

/// How it fires at position 0 and elsewhere, and what it writes.
void report_activation(const Condition& on, const NeuronProbe& neurons, const Neuron& neuron, Measure& measure) {
  const auto where = neuron.where();
  const auto of_neuron = [&](const Tensor& x) { return x.select(1, neuron.number); };  // [B, F] -> [B]
  const auto first = of_neuron(neurons.first(neuron.layer)), rest = of_neuron(neurons.rest_max(neuron.layer));
  const auto down = neurons.weights(neuron.layer).down_norm[neuron.number];
  measure.mean("activation_first", on, first, where);
  measure.mean("activation_rest_max", on, rest, where);
  // Now and then another token fires it too; as the mean of a maximum, selectivity falls with each of them.
  measure.mean("fires_elsewhere", on, (rest > 0.5 * first).to(at::kDouble), where);
  measure.mean("contribution", on, first * down, where);
  measure.mean("written_share", on, of_neuron(neurons.written_share(neuron.layer)), where);
  measure.population(
      {"selectivity"}, on, [&](const Tensor& w) { return (at::matmul(w, first) / at::matmul(w, rest)).unsqueeze(1); },
      where);
}

/// A trace [B, T, N] at position 0 and over the others.
void report_trace(const std::string& name, const Condition& on, const Tensor& traces, const Neuron& neuron,
                  Measure& measure) {
  const auto trace = traces.select(2, neuron.index);  // [B, T]
  measure.mean(name + "_first", on, trace.select(1, 0), neuron.where());
  measure.mean(name + "_rest", on, trace.slice(1, 1).mean(1), neuron.where());
}

void report_neuron(const Observed& seen, const Condition& on, const Neuron& neuron, Measure& measure) {
  report_weights(on, seen.neurons->weights(neuron.layer), neuron, measure);
  report_activation(on, *seen.neurons, neuron, measure);
  report_trace("gate_cosine", on, seen.traces->gate_cosine(neuron.layer), neuron, measure);
  report_trace("up_activation", on, seen.traces->up_activation(neuron.layer), neuron, measure);
}

std::string names_of(const SpikeWriters& writers) {
  std::string names;
  for (const auto n : writers.neurons) names += (names.empty() ? "" : ", ") + std::to_string(n);
  const auto shown = "Layer " + std::to_string(writers.layer) + ": the metrics of single neurons are those of " + names;
  return shown + (writers.by_criteria ? ", which also meet the rule when averaged over texts."
                                      : ", the largest writers: no neuron meets the rule when averaged over texts.");
}

Condition matched(Condition on) {
  on.suffix = "_matched";
  return on;
}

/// The super neurons of a spike and, with a suffix, the neurons matched to them.
void report_writers(const Observed& seen, const SpikeWriters& writers, Measure& measure) {
  const auto count = static_cast<int64_t>(writers.neurons.size());
  for (int64_t i = 0; i < count; ++i) {
    report_neuron(seen, seen.on, {writers.layer, writers.neurons[i], i}, measure);
  }
  for (int64_t i = 0; i < count; ++i) {
    report_neuron(seen, matched(seen.on), {writers.layer, writers.matched_neurons[i], count + i}, measure);
  }
  measure.note(names_of(writers));
}

void report_norm_histograms(const Condition& on, const NeuronWeights& weights, Measure& measure) {
  const Bins bins(at::cat({weights.gate_norm_z, weights.up_norm_z}), 0.5);
  measure.curve("gate_norm_z_histogram", on, "norm_z", bins.centres(), bins.of(weights.gate_norm_z));
  measure.curve("up_norm_z_histogram", on, "norm_z", bins.centres(), bins.of(weights.up_norm_z));
}

/// |z| [B, T, N] of the super neurons at position 0 and at the others, shares of bins of a quarter of a decade.
void report_activation_histograms(const Condition& on, const Tensor& activation, Measure& measure) {
  const auto size = activation.clamp_min(1e-12).log10();
  const Bins bins(size, 0.25);
  auto x = bins.centres();
  for (auto& centre : x) centre = std::pow(10, centre);
  const auto share = [&](const Tensor& part) { return bins.of(part) / part.numel(); };
  measure.curve("activation_histogram_first", on, "activation", x, share(size.select(1, 0)));
  measure.curve("activation_histogram_rest", on, "activation", x, share(size.slice(1, 1)));
}

/// What one neuron reads and writes, by its index in the layer's traces.
void report_vectors(const Condition& on, const NeuronTraces& traces, int64_t layer, int64_t index, Measure& measure) {
  const auto positions = counted(on.length(), 0);
  measure.series("gate_cosine_by_position", on, "position", positions, traces.gate_cosine(layer).select(2, index));
  measure.series("up_activation_by_position", on, "position", positions, traces.up_activation(layer).select(2, index));
  const auto column = traces.down(layer)[index].abs();  // [D]
  measure.curve("down_magnitude_sorted", on, "rank", counted(column.numel()), std::get<0>(column.sort(0, true)));
}

/// Of one layer, as figures 8 to 10 show it: all neurons, then the top super neuron and the one matched to it.
void report_pictures(const Observed& seen, const SpikeWriters& writers, Measure& measure) {
  const auto layer = writers.layer, count = static_cast<int64_t>(writers.neurons.size());
  report_norm_histograms(seen.on, seen.neurons->weights(layer), measure);
  report_activation_histograms(seen.on, seen.traces->activation(layer).slice(2, 0, count), measure);
  report_vectors(seen.on, *seen.traces, layer, 0, measure);
  report_vectors(matched(seen.on), *seen.traces, layer, count, measure);
}

/// What the largest writer of the dominant spike writes, which may not meet the rule.
void report_largest(const Condition& on, const NeuronProbe& neurons, int64_t spike, Measure& measure) {
  const auto share = neurons.written_share(spike);  // [B, F]
  measure.population({"largest_written_share"}, on,
                     [&](const Tensor& weights) { return at::matmul(weights, share).amax(1, true); });
}

/// 1 where the neuron writes most into one of these dimensions. A fact of the weights, the same for every text.
double writes_into(const NeuronWeights& weights, int64_t neuron, const std::vector<int64_t>& dimensions) {
  const auto dimension = weights.outlier_dimension[neuron].item<int64_t>();
  return std::ranges::find(dimensions, dimension) == dimensions.end() ? 0 : 1;
}

/// The neuron that the claim's settings name: what it writes, how selective it is, and whether into those dimensions.
void report_named(const Condition& on, const NeuronProbe& neurons, const Parameters& parameters, Measure& measure) {
  const auto layer = parameters.integer("named.layer"), neuron = parameters.integer("named.neuron");
  const auto first = neurons.first(layer), rest_max = neurons.rest_max(layer);  // [B, F]
  if (neuron >= first.size(1)) {
    throw Error("the layer has no neuron with the named number", "super_neuron_alignment", "correct named.neuron");
  }
  measure.mean("named_neuron_written_share", on, neurons.written_share(layer).select(1, neuron));
  measure.population({"named_neuron_selectivity"}, on, [&](const Tensor& weights) {
    const auto at_first = at::matmul(weights, first.select(1, neuron));
    return (at_first / at::matmul(weights, rest_max.select(1, neuron))).unsqueeze(1);
  });
  const auto writes = writes_into(neurons.weights(layer), neuron, parameters.integers("named.dimensions"));
  measure.mean("named_neuron_writes_named_dimension", on, at::full({on.tokens->sequences()}, writes, at::kDouble));
}

/// The survey's super neurons of each spike layer, followed by the neurons matched to them.
NeuronTraces::NeuronsByLayer chosen_neurons(const Survey& survey) {
  NeuronTraces::NeuronsByLayer chosen;
  for (const auto& writers : survey.writers) {
    auto& neurons = chosen[writers.layer];
    neurons = writers.neurons;
    neurons.insert(neurons.end(), writers.matched_neurons.begin(), writers.matched_neurons.end());
  }
  return chosen;
}

std::shared_ptr<NeuronProbe> observe(Claim& claim, const Condition& on) {
  require_other_positions(on, "super_neuron_alignment");
  const auto neurons = claim.run(on).add(std::make_shared<NeuronProbe>());
  claim.report([=](Measure& measure) { report_by_layer(on, *neurons, measure); });
  return neurons;
}

void super_neurons(Claim& claim) {
  if (!claim.config().gated_ffn) return;
  std::vector<std::shared_ptr<NeuronProbe>> neurons;  // of the judged condition first
  for (const auto& on : claim.conditions()) neurons.push_back(observe(claim, on));
  if (claim.parameters.integer("named.layer") > 0) {
    claim.report([=, on = claim.primary(), &claim, judged = neurons.front()](Measure& measure) {
      report_named(on, *judged, claim.parameters, measure);
    });
  }
  const auto chosen = chosen_neurons(claim.survey);
  if (chosen.empty()) return;
  const auto on = claim.primary();
  const Observed seen{on, neurons.front(), claim.run(on).add(std::make_shared<NeuronTraces>(chosen))};
  for (const auto& writers : claim.survey.writers) {
    claim.report([=](Measure& measure) { report_writers(seen, writers, measure); });
  }
  claim.report([seen, writers = claim.survey.writers_of(claim.spike())](Measure& measure) {
    report_largest(seen.on, *seen.neurons, writers.layer, measure);
    report_pictures(seen, writers, measure);
  });
}

REPLICATE_DESCRIPTION(super_neuron_alignment, super_neurons, "random", "null_model", "named.layer", "named.neuron",
                      "named.dimensions");

}  // namespace
}  // namespace replicate
