// What else changes when position k is made a sink, by seeing only itself or by amplified variance? Earlier rows must
// not change at all, and the super neurons may fire at k but at no other position (asked for by the paper's referee; no
// figure). How the later rows share out the attention that is left for other positions is reported.
// Control: the untouched model on the same ids, compared row by row.
// Cost: a pass for the untouched model and each intervention, and one of the calibration passages to the onset.

#include <algorithm>

#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/lane_comparison.h"
#include "harness/study/target.h"
#include "models/core/entropy.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

constexpr double kNothing = 1e-30;  // keeps quotients of zeros at zero

// --- Metrics ----------------------------------------------------------------------------------------------

/// Largest |h' - h| / |h| over the positions of [b, k, D]: [b].
Tensor largest_change(const Tensor& untouched, const Tensor& changed) {
  const auto norm = [](const Tensor& x) { return at::linalg_vector_norm(x, 2, {-1}, false, at::kDouble); };
  return (norm(changed - untouched) / norm(untouched).clamp_min(kNothing)).amax(1);
}

/// Rows [b, H, R, T] without columns 0 and k, renormalised.
Tensor rest_of(const Tensor& rows, int64_t k) {
  auto rest = rows.to(at::kDouble, false, true);
  rest.select(-1, 0).zero_();
  rest.select(-1, k).zero_();
  return rest / rest.sum(-1, true).clamp_min(kNothing);
}

/// Mean over heads and rows of [b, H, R]: [b].
Tensor over_rows(const Tensor& x) { return x.mean({1, 2}, false, at::kDouble); }

Tensor entropy(const Tensor& rows) { return over_rows(entropy_terms(rows.to(at::kDouble)).sum(-1)); }

const std::vector<std::string> kOfRows = {"entropy", "entropy_rest", "mixing", "attention_to_target",
                                          "attention_to_first"};

/// What kOfRows names, of one lane's rows: [b, 5].
Tensor described(const Tensor& rows, int64_t k) {
  const auto rest = rest_of(rows, k);
  const auto effective_positions = 1 / rest.square().sum(-1).clamp_min(kNothing);
  return at::stack({entropy(rows), entropy(rest), over_rows(effective_positions), over_rows(rows.select(-1, k)),
                    over_rows(rows.select(-1, 0))},
                   1);
}

/// Total variation between the renormalised rows, then both lanes described: [b, 1 + 5 + 5].
Tensor compare_rows(const Tensor& untouched, const Tensor& changed, int64_t k) {
  const auto difference = (rest_of(untouched, k) - rest_of(changed, k)).abs().sum(-1) / 2;
  return at::cat({over_rows(difference).unsqueeze(1), described(untouched, k), described(changed, k)}, 1);
}

/// Bins of equal width on a log scale, the last one up to the largest value.
struct LogBins {
  static constexpr int64_t kPerDecade = 4, kDecades = 6;
  double top;  // log10 of the upper end

  explicit LogBins(double largest) : top(std::ceil(std::log10(std::max(largest, kNothing)))) {}

  std::vector<double> centres() const {
    std::vector<double> all;
    for (int64_t i = 0; i < kPerDecade * kDecades; ++i) {
      all.push_back(std::pow(10, top - kDecades + (static_cast<double>(i) + 0.5) / kPerDecade));
    }
    return all;
  }

  /// Share of the values [B, X] >= 0 in each bin, those below the first counted there: [B, bins].
  Tensor shares(const Tensor& values) const {
    const auto place = (values.clamp_min(kNothing).log10() - (top - kDecades)) * static_cast<double>(kPerDecade);
    const auto bin = place.floor().clamp(0, kPerDecade * kDecades - 1).to(at::kLong);
    const auto counts = at::zeros({values.size(0), kPerDecade * kDecades}, at::kDouble);
    return counts.scatter_add(1, bin, at::ones_like(values)) / static_cast<double>(values.size(1));
  }
};

// --- The experiment ---------------------------------------------------------------------------------------

/// One lane's activations of the super neurons and norms of the residual stream.
struct Observed {
  std::shared_ptr<Watch> neurons;  // [B, T, N], signed, in the dominant spike's layer
  std::shared_ptr<Watch> norms;    // [B, L + 1, T]

  Tensor activation(int64_t layer) const { return neurons->layer(layer); }
  Tensor norm() const { return norms->layers(); }
};

struct Intervention {
  std::string name;
  Observed seen;
  std::shared_ptr<LaneComparison> rows;     // [B, L, 11]
  std::shared_ptr<LaneComparison> earlier;  // [B, L + 1]
};

/// The untouched model and its interventions on one kind of inputs.
struct Compared {
  Condition condition;
  Observed untouched;
  std::vector<Intervention> interventions;  // the judged one first
};

class SideEffects : public Experiment {
 public:
  Plan plan(const Context& context) override {
    const auto& sinks = context.survey.sinks;
    if (sinks.sink_layers.empty() || sinks.dominant_spike == 0) return {};
    target_ = context.parameters.integer("target");
    spike_ = sinks.dominant_spike;
    neurons_ = context.survey.writers_of(spike_).neurons;
    layers_ = context.config().layers;
    for (const auto& condition : context.conditions()) plan_comparison(condition, context);
    return std::move(plan_);
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    const auto& sinks = context.survey.sinks;
    if (sinks.sink_layers.empty() || sinks.dominant_spike == 0) {
      measure.unmet(sinks.sink_layers.empty()
                        ? "no sink: the survey found no layer with excess attention to position 0"
                        : "no spike: the survey found no layer that multiplies position 0's norm");
      return measure.take();
    }
    if (sinks.onset_layer() == 1) measure.note("The sink begins in layer 1: nothing to amplify before it.");
    for (const auto& one : compared_) {
      for (const auto& changed : one.interventions) judged(one, changed, measure);
      rows(one, sinks.sink_layers, measure);
      activations(one, measure);
      norms(one, measure);
    }
    return measure.take();
  }

 private:
  // --- Plan -----------------------------------------------------------------------------------------------

  void plan_comparison(const Condition& condition, const Context& context) {
    check_target(target_, condition, "side_effects");
    Compared one{condition, observed(), {}};
    const auto untouched = add(condition, one.untouched, {});
    const auto intervene = [&](const std::string& name, Patch patch) {
      one.interventions.push_back(compared(name));
      const auto& changed = one.interventions.back();
      const auto lane = add(condition, changed.seen, {std::move(patch)});
      for (const bool side : {false, true}) attach(changed, side, plan_[side ? lane : untouched], context);
    };
    intervene("mask", RowMask{{1, layers_}, {target_, {{target_}}}});
    const auto onset = context.survey.sinks.onset_layer();
    if (onset > 1 && context.reports_others) {
      const auto recording = record_heads("target" + std::to_string(compared_.size()), {1, onset - 1}, target_);
      plan_.push_back({condition.model, calibration_for(condition, context, target_), {}, {}, {recording}});
      intervene("amplify", amplify(recording, target_, context.parameters.integer("lambda")));
    }
    compared_.push_back(std::move(one));
  }

  Observed observed() const {
    const auto chosen = at::tensor(neurons_, at::kLong);
    const auto activations = watch(
        Site::hidden, [chosen](const Tensor& hidden) { return hidden.index_select(2, chosen.to(hidden.device())); });
    return {only_in({spike_}, activations), watch_residual([](const Tensor& hidden) {
              return at::linalg_vector_norm(hidden, 2, {-1}, false, at::kDouble);
            })};
  }

  Intervention compared(const std::string& name) const {
    const auto k = target_;
    return {name, observed(), std::make_shared<LaneComparison>([k](const Tensor& untouched, const Tensor& changed) {
              return compare_rows(untouched, changed, k);
            }),
            std::make_shared<LaneComparison>(largest_change)};
  }

  /// The index of the new lane.
  size_t add(const Condition& condition, const Observed& seen, std::vector<Patch> patches) {
    plan_.push_back({condition.model, condition.tokens, std::move(patches), {seen.neurons, seen.norms}});
    return plan_.size() - 1;
  }

  void attach(const Intervention& one, bool changed, Lane& lane, const Context& context) const {
    const auto queries = later_queries(lane.tokens->length(), context.parameters.integer("rows"));
    lane.probes.push_back(rows_for(one.rows, changed, queries));
    lane.probes.push_back(residual_for(one.earlier, changed, target_));
  }

  /// The queries after k, at most so many, evenly spread and with the last one.
  std::vector<int64_t> later_queries(int64_t length, int64_t most) const {
    const auto all = length - 1 - target_;
    const auto taken = std::clamp<int64_t>(most, 1, all);
    std::vector<int64_t> queries;
    for (int64_t i = 1; i <= taken; ++i) queries.push_back(target_ + i * all / taken);
    return queries;
  }

  // --- Reduce ---------------------------------------------------------------------------------------------

  /// Names of the judged intervention carry no suffix.
  static std::string suffix(const Intervention& changed) { return changed.name == "mask" ? "" : "_" + changed.name; }

  void judged(const Compared& one, const Intervention& changed, Measure& measure) const {
    const auto& condition = one.condition;
    const auto largest = changed.earlier->layers().amax(1);  // [B]
    measure.population({"rows_before_target_change" + suffix(changed)}, condition, [&](const Tensor& weights) {
      return (largest * (weights > 0)).amax(1, true);  // the largest of the sequences drawn
    });
    const auto before = one.untouched.activation(spike_), after = changed.seen.activation(spike_);
    const auto moved = (after - before).abs().slice(1, target_ + 1).amax(1);  // [B, N]
    const auto at_target = after.select(1, target_).abs();                    // [B, N]
    other_activation(changed, condition, moved, at_target, measure);
    measure.ratio("target_activation_to_first" + suffix(changed), condition, at_target.sum(1),
                  after.select(1, 0).abs().sum(1));
  }

  /// The largest over neurons of mean over sequences (largest change at a later position) / mean |z_k|.
  void other_activation(const Intervention& changed, const Condition& condition, const Tensor& moved,
                        const Tensor& at_target, Measure& measure) const {
    std::vector<SampleColumn> columns;
    for (const std::string name : {"other_activation_change", "target_activation"}) {
      for (const auto neuron : neurons_) {
        columns.push_back({name + "_" + changed.name, {{"layer", spike_}, {"neuron", neuron}}});
      }
    }
    const auto count = neurons_.size();
    measure.of_means({"other_activation_share" + suffix(changed)}, condition, columns, at::cat({moved, at_target}, 1),
                     [count](std::span<const double> means) {
                       double share = 0;
                       for (size_t n = 0; n < count; ++n) {
                         const double of_neuron = means[n] / means[n + count];
                         if (!(of_neuron <= share)) share = of_neuron;  // lets NaN through
                       }
                       return std::vector{share};
                     });
    const auto largest = (moved / at_target.mean(0)).max().item<double>();
    measure.value("other_activation_share_largest" + suffix(changed), condition, largest);
  }

  /// How attention of the later rows is shared out, by layer, and its mean over the sink layers.
  void rows(const Compared& one, const std::vector<int64_t>& sinks, Measure& measure) const {
    const auto chosen = at::tensor(sinks, at::kLong) - 1;
    const auto report = [&](const std::string& name, const Tensor& by_layer) {
      measure.by_layer(name, one.condition, by_layer, layers_);
      measure.mean(name, one.condition, by_layer.index_select(1, chosen).mean(1));
    };
    const auto described_as = [&](const std::string& suffix, const Tensor& rows) {  // [B, L, 5]
      for (size_t i = 0; i < kOfRows.size(); ++i) {
        report(kOfRows[i] + suffix, rows.select(2, static_cast<int64_t>(i)));
      }
    };
    const auto count = static_cast<int64_t>(kOfRows.size());
    for (const auto& changed : one.interventions) {
      const auto values = changed.rows->layers();  // [B, L, 11]
      report("total_variation_" + changed.name, values.select(2, 0));
      if (changed.name == "mask") described_as("_untouched", values.slice(2, 1, 1 + count));
      described_as("_" + changed.name, values.slice(2, 1 + count));
    }
  }

  /// Whose activations or norms a histogram shows.
  struct Sample {
    std::string name;
    Tensor values;  // [B, X]
  };

  /// `of` gives one lane's values [B, T, N]: position 0, the target and later positions, untouched and changed.
  template <typename Of>
  std::vector<Sample> samples_of(const Compared& one, const Of& of) const {
    const auto untouched = of(one.untouched);
    const auto target = [&](const Tensor& x) { return x.select(1, target_).flatten(1); };
    const auto others = [&](const Tensor& x) { return x.slice(1, target_ + 1).flatten(1); };
    std::vector<Sample> samples{
        {"first", untouched.select(1, 0).flatten(1)}, {"target", target(untouched)}, {"others", others(untouched)}};
    for (const auto& changed : one.interventions) {
      const auto values = of(changed.seen);
      samples.push_back({"target_" + changed.name, target(values)});
      samples.push_back({"others_" + changed.name, others(values)});
    }
    return samples;
  }

  static void histograms(const std::string& name, const std::string& axis, const Condition& condition,
                         const std::vector<Sample>& samples, Measure& measure) {
    double largest = 0;
    for (const auto& sample : samples) largest = std::max(largest, sample.values.max().item<double>());
    const LogBins bins(largest);
    for (const auto& sample : samples) {
      measure.series(name + "_" + sample.name, condition, axis, bins.centres(), bins.shares(sample.values));
    }
  }

  void activations(const Compared& one, Measure& measure) const {
    for (size_t n = 0; n < neurons_.size(); ++n) {
      const auto signed_of = [&](const Observed& lane) {
        return lane.activation(spike_).slice(2, static_cast<int64_t>(n), static_cast<int64_t>(n) + 1);
      };
      for (const auto& sample : samples_of(one, signed_of)) {
        measure.mean("super_neuron_activation_" + sample.name, one.condition, sample.values.mean(1),
                     {{"layer", spike_}, {"neuron", neurons_[n]}});
      }
    }
    const auto magnitude = [&](const Observed& lane) { return lane.activation(spike_).abs(); };
    histograms("super_neuron_activation_histogram", "activation", one.condition, samples_of(one, magnitude), measure);
  }

  /// By layer, and as a histogram after the dominant spike.
  void norms(const Compared& one, Measure& measure) const {
    const auto by_layer = [&](const std::string& name, const Tensor& values) {
      measure.by_layer(name, one.condition, values, layers_);
    };
    by_layer("first_norm", one.untouched.norm().select(2, 0));
    const auto lane = [&](const std::string& name, const Observed& seen) {
      by_layer("target_norm_" + name, seen.norm().select(2, target_));
      by_layer("other_norm_" + name, seen.norm().slice(2, target_ + 1).mean(2));
    };
    lane("untouched", one.untouched);
    for (const auto& changed : one.interventions) lane(changed.name, changed.seen);
    const auto behind_spike = [&](const Observed& seen) { return seen.norms->layer(spike_ + 1).unsqueeze(2); };
    histograms("norm_histogram", "norm", one.condition, samples_of(one, behind_spike), measure);
  }

  Plan plan_;
  int64_t target_ = 0, spike_ = 0, layers_ = 0;
  std::vector<int64_t> neurons_;
  std::vector<Compared> compared_;  // the primary condition first
};

REPLICATE_EXPERIMENT(side_effects, SideEffects, "natural", "random", "calibration.sequences", "target", "lambda",
                     "rows");

}  // namespace
}  // namespace replicate
