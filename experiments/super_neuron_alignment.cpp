// In the FFN of a spike layer a few hidden neurons with outlying W_gate and W_up rows fire for position 0 alone and
// write the spike through heavy-tailed W_down columns (paper, figures 8 to 10; Llama-2-7B: neuron 7890 into
// dimension 2533). The survey names the neurons; here the neurons of the dominant spike's layer are tested
// again, on other sequences, and those that meet the criteria in a resample count in that resample.
// Controls: neurons of the same layer that contribute alike at other positions; the null model.
// Cost: one forward pass per condition.

#include <numeric>

#include "base/error.h"
#include "harness/study/bins.h"
#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/neuron_probes.h"
#include "harness/study/measures/neuron_traces.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

Tensor index_of(const std::vector<int64_t>& indices) { return at::tensor(indices, at::kLong); }

struct Thresholds {
  double selectivity, norm_z, kurtosis;
  explicit Thresholds(const Parameters& parameters)
      : selectivity(parameters.real("selectivity")),
        norm_z(parameters.real("norm_z")),
        kurtosis(parameters.real("kurtosis")) {}
};

/// Neurons whose weights alone meet the criteria: they do not depend on the sequences.
std::vector<int64_t> candidates(const NeuronWeights& weights, const Thresholds& limits) {
  const auto median = at::quantile(weights.down_kurtosis, 0.5);
  const auto meets = (weights.gate_norm_z > limits.norm_z)
                         .logical_and(weights.up_norm_z > limits.norm_z)
                         .logical_and(weights.down_kurtosis > limits.kurtosis * median);
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

std::vector<double> up_to(int64_t n, double first) {
  std::vector<double> x(n);
  std::iota(x.begin(), x.end(), first);
  return x;
}

struct Observed {
  Condition condition;
  std::shared_ptr<NeuronProbe> neurons;
  std::shared_ptr<NeuronTraces> traces;  // of the survey's neurons; of the primary condition alone
};

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

class SuperNeuronAlignment : public Experiment {
 public:
  Plan plan(const Context& context) override {
    if (!context.config().gated_ffn) return {};
    if (!context.reports_others && context.survey.sinks.dominant_spike == 0) return {};
    Plan plan;
    const auto chosen = chosen_neurons(context.survey);
    for (const auto& condition : context.conditions()) {
      if (condition.tokens->length() < 2) {
        throw Error("sequences of one token have no other positions", "super_neuron_alignment", "use longer sequences");
      }
      Observed one{condition, std::make_shared<NeuronProbe>(layers(context)), nullptr};
      plan.push_back({condition.model, condition.tokens, {}, {one.neurons}});
      if (observed_.empty() && context.reports_others && !chosen.empty()) {
        one.traces = std::make_shared<NeuronTraces>(chosen);
        plan.back().probes.push_back(one.traces);
      }
      observed_.push_back(std::move(one));
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    if (!context.config().gated_ffn) {
      measure.inapplicable("the FFN has no gate: super neurons are defined by rows of W_gate and W_up");
      return measure.take();
    }
    const auto spike = context.survey.sinks.dominant_spike;
    if (spike == 0) {
      measure.unmet("no spike: the survey found no layer that blows up position 0's norm");
    } else {
      judged(context, spike, measure);
    }
    if (!context.reports_others) return measure.take();
    for (const auto& one : observed_) by_layer(one, context.config().layers, measure);
    for (const auto& writers : context.survey.writers) describe(writers, measure);
    if (spike != 0) pictures(context.survey.writers_of(spike), measure);
    return measure.take();
  }

 private:
  /// All of them (that is what an empty list means) where series are wanted, else those that are judged.
  static std::vector<int64_t> layers(const Context& context) {
    if (context.reports_others) return {};
    std::vector<int64_t> judged{context.survey.sinks.dominant_spike};
    if (const auto layer = context.parameters.integer("named.layer"); layer > 0 && layer != judged.front())
      judged.push_back(layer);
    return judged;
  }

  /// The neuron that the claim's settings name: what it writes, how selective it is, and whether into those dimensions.
  void named(const Parameters& parameters, Measure& measure) const {
    const auto layer = parameters.integer("named.layer"), neuron = parameters.integer("named.neuron");
    const auto& primary = observed_.front();
    if (neuron >= primary.neurons->first(layer).size(1)) {
      throw Error("the named neuron is beyond the layer's last", "super_neuron_alignment", "correct named.neuron");
    }
    measure.mean("named_neuron_written_share", primary.condition,
                 primary.neurons->written_share(layer).select(1, neuron));
    measure.population({"named_neuron_selectivity"}, primary.condition, [&](const Tensor& weights) {
      const auto first = at::matmul(weights, primary.neurons->first(layer).select(1, neuron));
      return (first / at::matmul(weights, primary.neurons->rest_max(layer).select(1, neuron))).unsqueeze(1);
    });
    const auto dimension = primary.neurons->weights(layer).outlier_dimension[neuron].item<int64_t>();
    const auto dimensions = parameters.integers("named.dimensions");
    const bool found = std::find(dimensions.begin(), dimensions.end(), dimension) != dimensions.end();
    // A fact of the weights, the same for every text.
    measure.mean("named_neuron_writes_named_dimension", primary.condition,
                 at::full({primary.condition.tokens->sequences()}, found ? 1.0 : 0.0, at::kDouble));
  }

  void judged(const Context& context, int64_t spike, Measure& measure) const {
    const Thresholds limits(context.parameters);
    const auto& writers = context.survey.writers_of(spike);
    for (const auto& one : observed_) written_energy(one, spike, limits, measure);
    if (context.parameters.integer("named.layer") > 0) named(context.parameters, measure);
    const auto& primary = observed_.front();
    const auto share = primary.neurons->written_share(spike);
    const auto sum = [&](const std::vector<int64_t>& neurons) {
      return share.index_select(1, index_of(neurons)).sum(1);
    };
    measure.mean("written_energy_share_matched", primary.condition, sum(writers.matched_neurons));
    measure.mean("written_energy_share_surveyed", primary.condition, sum(writers.neurons));
    measure.value("candidate_neurons", primary.condition,
                  static_cast<double>(candidates(primary.neurons->weights(spike), limits).size()));
  }

  static void written_energy(const Observed& one, int64_t spike, const Thresholds& limits, Measure& measure) {
    const auto& probe = *one.neurons;
    const auto found = candidates(probe.weights(spike), limits);
    std::vector<SampleColumn> columns;
    for (const auto* name : {"activation_first", "activation_rest_max", "written_share"}) {
      for (const auto n : found) columns.push_back({name, {{"layer", spike}, {"neuron", n}}});
    }
    const auto index = index_of(found);
    const auto values =
        at::cat({probe.first(spike).index_select(1, index), probe.rest_max(spike).index_select(1, index),
                 probe.written_share(spike).index_select(1, index)},
                1);  // [B, 3 C]
    measure.of_means({"written_energy_share", "super_neurons"}, one.condition, columns, values,
                     [&](std::span<const double> means) { return written_by_super(means, limits.selectivity); });
    // Where no neuron's weights stand out, as in the null model, this says what the largest writer does.
    measure.population({"largest_written_share"}, one.condition,
                       [share = probe.written_share(spike)](const Tensor& weights) {
                         return at::matmul(weights, share).amax(1, true);
                       });
  }

  static void by_layer(const Observed& one, int64_t layers, Measure& measure) {
    const auto& probe = *one.neurons;
    std::vector<Tensor> first, rest;
    for (int64_t layer = 1; layer <= layers; ++layer) {
      const auto& down = probe.weights(layer).down_norm;
      first.push_back((probe.first(layer) * down).amax(1));
      rest.push_back((probe.rest_max(layer) * down).amax(1));
    }
    measure.by_layer("largest_contribution_first", one.condition, at::stack(first, 1), layers);
    measure.by_layer("largest_contribution_rest", one.condition, at::stack(rest, 1), layers);
    measure.population_series("largest_selectivity", one.condition, "layer", up_to(layers, 1),
                              [&](const Tensor& weights) {
                                std::vector<Tensor> all;
                                for (int64_t layer = 1; layer <= layers; ++layer) {
                                  all.push_back(largest_ratio(weights, probe.first(layer), probe.rest_max(layer)));
                                }
                                return at::stack(all, 1);
                              });
  }

  /// Every number of every super neuron of a spike and, with a suffix, of the neuron matched to it.
  void describe(const SpikeWriters& writers, Measure& measure) const {
    auto condition = observed_.front().condition;
    const auto count = static_cast<int64_t>(writers.neurons.size());
    for (int64_t i = 0; i < count; ++i) {
      neuron(writers.layer, writers.neurons[i], i, condition, measure);
    }
    condition.suffix = "_matched";
    for (int64_t i = 0; i < count; ++i) {
      neuron(writers.layer, writers.matched_neurons[i], count + i, condition, measure);
    }
    std::string names;
    for (const auto n : writers.neurons) names += (names.empty() ? "" : ", ") + std::to_string(n);
    const auto layer = "Layer " + std::to_string(writers.layer);
    measure.note(writers.by_criteria ? layer + ": the neurons that met the criteria in the survey are " + names + "."
                                     : layer +
                                           ": no neuron met the criteria in the survey; the largest writers stand "
                                           "in for them: " +
                                           names + ".");
  }

  /// `index`: where the neuron stands in the traces of its layer.
  void neuron(int64_t layer, int64_t n, int64_t index, const Condition& condition, Measure& measure) const {
    const std::map<std::string, int64_t> where{{"layer", layer}, {"neuron", n}};
    weights_of(layer, n, condition, measure);
    const auto& primary = observed_.front();
    const auto first = primary.neurons->first(layer).select(1, n);
    const auto rest = primary.neurons->rest_max(layer).select(1, n);
    const auto down = primary.neurons->weights(layer).down_norm[n];
    measure.mean("activation_first", condition, first, where);
    measure.mean("activation_rest_max", condition, rest, where);
    // Now and then another token fires it too; as the mean of a maximum, selectivity falls with each of them.
    measure.mean("fires_elsewhere", condition, (rest > 0.5 * first).to(at::kDouble), where);
    measure.mean("contribution", condition, first * down, where);
    measure.mean("written_share", condition, primary.neurons->written_share(layer).select(1, n), where);
    measure.population(
        {"selectivity"}, condition,
        [&](const Tensor& weights) { return (at::matmul(weights, first) / at::matmul(weights, rest)).unsqueeze(1); },
        where);
    const auto both = [&](const std::string& name, const Tensor& traces) {
      const auto trace = traces.select(2, index);  // [B, T]
      measure.mean(name + "_first", condition, trace.select(1, 0), where);
      measure.mean(name + "_rest", condition, trace.slice(1, 1).mean(1), where);
    };
    both("gate_cosine", primary.traces->gate_cosine(layer));
    both("up_activation", primary.traces->up_activation(layer));
  }

  void weights_of(int64_t layer, int64_t n, const Condition& condition, Measure& measure) const {
    const auto& weights = observed_.front().neurons->weights(layer);
    const auto value = [&](const std::string& name, const Tensor& x) {
      measure.value(name, condition, x[n].item().toDouble(), {{"layer", layer}, {"neuron", n}});
    };
    value("gate_norm_z", weights.gate_norm_z);
    value("up_norm_z", weights.up_norm_z);
    value("down_kurtosis", weights.down_kurtosis);
    value("down_kurtosis_over_median", weights.down_kurtosis / at::quantile(weights.down_kurtosis, 0.5));
    value("down_top_share", weights.down_top_share);
    value("outlier_dimension", weights.outlier_dimension);
  }

  /// Of the dominant spike's layer, as figures 8 to 10 show it.
  void pictures(const SpikeWriters& writers, Measure& measure) const {
    norm_histograms(writers.layer, measure);
    const auto count = static_cast<int64_t>(writers.neurons.size());
    activation_histograms(writers.layer, count, measure);
    const auto& primary = observed_.front();
    const auto positions = up_to(primary.condition.tokens->length(), 0);
    auto condition = primary.condition;
    for (const auto index : {int64_t{0}, count}) {  // the top super neuron, then the one matched to it
      measure.series("gate_cosine_by_position", condition, "position", positions,
                     primary.traces->gate_cosine(writers.layer).select(2, index));
      measure.series("up_activation_by_position", condition, "position", positions,
                     primary.traces->up_activation(writers.layer).select(2, index));
      const auto column = primary.traces->down(writers.layer)[index].abs();
      measure.curve("down_magnitude_sorted", condition, "rank", up_to(column.numel(), 1),
                    std::get<0>(column.sort(0, true)));
      condition.suffix = "_matched";
    }
  }

  void norm_histograms(int64_t layer, Measure& measure) const {
    const auto& condition = observed_.front().condition;
    const auto& weights = observed_.front().neurons->weights(layer);
    const Bins bins(at::cat({weights.gate_norm_z, weights.up_norm_z}), 0.5);
    measure.curve("gate_norm_z_histogram", condition, "norm_z", bins.centres(), bins.of(weights.gate_norm_z));
    measure.curve("up_norm_z_histogram", condition, "norm_z", bins.centres(), bins.of(weights.up_norm_z));
  }

  /// |z| of the super neurons at position 0 and at the others, shares of bins of a quarter of a decade.
  void activation_histograms(int64_t layer, int64_t count, Measure& measure) const {
    const auto& condition = observed_.front().condition;
    const auto hidden = observed_.front().traces->activation(layer).slice(2, 0, count);
    const auto size = hidden.clamp_min(1e-12).log10();  // [B, T, N]
    const Bins bins(size, 0.25);
    auto activation = bins.centres();
    for (auto& x : activation) x = std::pow(10, x);
    const auto share = [&](const Tensor& x) { return bins.of(x) / x.numel(); };
    measure.curve("activation_histogram_first", condition, "activation", activation, share(size.select(1, 0)));
    measure.curve("activation_histogram_rest", condition, "activation", activation, share(size.slice(1, 1)));
  }

  std::vector<Observed> observed_;
};

REPLICATE_EXPERIMENT(super_neuron_alignment, SuperNeuronAlignment, "natural", "random", "null_model", "selectivity",
                     "norm_z", "kurtosis", "named.layer", "named.neuron", "named.dimensions");

}  // namespace
}  // namespace replicate
