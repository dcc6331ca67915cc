// What else changes when position k is made a sink, by seeing only itself or by amplified variance? Earlier rows must
// not change at all, and the super neurons may fire at k but at no other position (asked for by the paper's referee; no
// figure). How the later rows share out the attention that is left for other positions is reported.
// Control: the untouched model on the same ids, compared row by row.
// Cost: a pass for the untouched model and each intervention, and one of the calibration passages to the onset.

#include <algorithm>

#include "harness/study/claim.h"
#include "harness/study/log_bins.h"
#include "harness/study/measures/lane_comparison.h"
#include "harness/study/measures/row_comparison.h"
#include "harness/study/target.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

/// One pass's activations of the super neurons and norms of the residual stream.
struct Observed {
  std::shared_ptr<Watch> neurons;  // [B, T, N], signed, in the dominant spike's layer
  std::shared_ptr<Watch> norms;    // [B, L + 1, T]
};

struct Intervention {
  std::string name;
  Observed seen;
  std::shared_ptr<LaneComparison> rows;     // [B, L, 11]
  std::shared_ptr<LaneComparison> earlier;  // [B, L + 1]

  /// Names of the judged intervention carry no suffix.
  std::string suffix() const { return name == "mask" ? "" : "_" + name; }
};

/// The untouched model and its interventions on one kind of inputs.
struct Compared {
  Condition on;
  int64_t target = 0, spike = 0;
  std::vector<int64_t> neurons;  // N super neurons of the spike
  Observed untouched;
  std::vector<Intervention> interventions = {};  // the judged one first

  Tensor activation(const Observed& pass) const { return pass.neurons->layer(spike); }  // [B, T, N]
};

// --- Passes ---------------------------------------------------------------------------------------------------

/// Norms of [..., D]: [...].
Tensor norm_of(const Tensor& hidden) { return at::linalg_vector_norm(hidden, 2, {-1}, false, at::kDouble); }

/// Largest |h' - h| / |h| over the positions of [b, k, D]: [b].
Tensor largest_change(const Tensor& untouched, const Tensor& changed) {
  constexpr double kNothing = 1e-30;  // keeps quotients of zeros at zero
  return (norm_of(changed - untouched) / norm_of(untouched).clamp_min(kNothing)).amax(1);
}

/// The queries after k, at most so many, evenly spread and with the last one.
std::vector<int64_t> later_queries(int64_t k, int64_t length, int64_t most) {
  const auto all = length - 1 - k;
  const auto taken = std::clamp<int64_t>(most, 1, all);
  std::vector<int64_t> queries;
  for (int64_t i = 1; i <= taken; ++i) queries.push_back(k + i * all / taken);
  return queries;
}

Observed observe(Run run, int64_t spike, const std::vector<int64_t>& neurons) {
  const auto chosen = at::tensor(neurons, at::kLong);
  const auto activations = watch(Site::hidden, [chosen](const Tensor& hidden) {  // [b, T, F]
    return hidden.index_select(2, chosen.to(hidden.device()));
  });
  return {run.add(only_in({spike}, activations)), run.add(watch_residual(norm_of))};
}

/// Declares a pass with the patch, and compares it with the untouched one.
void intervene(Claim& claim, Compared& one, Run untouched, const std::string& name, Patch patch) {
  const auto k = one.target;
  auto changed = claim.run(one.on, {std::move(patch)});
  const auto rows = std::make_shared<LaneComparison>(
      [k](const Tensor& before, const Tensor& after) { return compare_rows(before, after, k); });
  const auto earlier = std::make_shared<LaneComparison>(largest_change);
  one.interventions.push_back({name, observe(changed, one.spike, one.neurons), rows, earlier});
  const auto queries = later_queries(k, one.on.length(), claim.parameters.integer("rows"));
  for (const bool side : {false, true}) {
    auto& run = side ? changed : untouched;
    run.add(rows_for(rows, side, queries));
    run.add(residual_for(earlier, side, k));
  }
}

Compared compare(Claim& claim, const Condition& on) {
  const auto k = target_of(claim);
  check_target(k, on, "side_effects");
  const auto spike = claim.survey.sinks.dominant_spike, onset = claim.survey.sinks.onset_layer();
  const auto& neurons = claim.survey.writers_of(spike).neurons;
  const auto untouched = claim.run(on);
  Compared one{on, k, spike, neurons, observe(untouched, spike, neurons)};
  intervene(claim, one, untouched, "mask", only_itself(k, {1, claim.config().layers}));
  if (onset > 1 && claim.reports_others) {
    const auto outputs = record_calibration(claim, on, {1, onset - 1}, k);
    intervene(claim, one, untouched, "amplify", amplify(outputs, k, claim.parameters.integer("lambda")));
  }
  return one;
}

// --- Judged ---------------------------------------------------------------------------------------------------

/// The largest over neurons of mean over sequences (largest change at a later position) / mean |z_k|.
/// `moved` and `at_target`: those two, [B, N].
void report_other_activation(const Compared& one, const Intervention& changed, const Tensor& moved,
                             const Tensor& at_target, Measure& measure) {
  std::vector<SampleColumn> columns;
  for (const std::string name : {"other_activation_change", "target_activation"}) {
    for (const auto neuron : one.neurons) {
      columns.push_back({name + "_" + changed.name, {{"layer", one.spike}, {"neuron", neuron}}});
    }
  }
  const auto largest_share = [count = one.neurons.size()](std::span<const double> means) {
    double share = 0;
    for (size_t n = 0; n < count; ++n) {
      const double of_neuron = means[n] / means[n + count];
      if (!(of_neuron <= share)) share = of_neuron;  // lets NaN through
    }
    return std::vector{share};
  };
  measure.of_means({"other_activation_share" + changed.suffix()}, one.on, columns, at::cat({moved, at_target}, 1),
                   largest_share);
  measure.value("other_activation_share_largest" + changed.suffix(), one.on,
                (moved / at_target.mean(0)).max().item<double>());
}

void report_judged(const Compared& one, const Intervention& changed, Measure& measure) {
  const auto largest = changed.earlier->layers().amax(1);  // [B]
  measure.population({"rows_before_target_change" + changed.suffix()}, one.on, [&](const Tensor& weights) {
    return (largest * (weights > 0)).amax(1, true);  // the largest of the sequences drawn
  });
  const auto before = one.activation(one.untouched), after = one.activation(changed.seen);  // [B, T, N]
  const auto moved = (after - before).abs().slice(1, one.target + 1).amax(1);               // [B, N]
  const auto at_target = after.select(1, one.target).abs();                                 // [B, N]
  report_other_activation(one, changed, moved, at_target, measure);
  measure.ratio("target_activation_to_first" + changed.suffix(), one.on, at_target.sum(1),
                after.select(1, 0).abs().sum(1));
}

// --- Reported -------------------------------------------------------------------------------------------------

/// How attention of the later rows is shared out, by layer, and its mean over the sink layers.
void report_rows(const Compared& one, const std::vector<int64_t>& sinks, Measure& measure) {
  const auto chosen = at::tensor(sinks, at::kLong) - 1;
  const auto report = [&](const std::string& name, const Tensor& by_layer) {  // [B, L]
    measure.by_layer(name, one.on, by_layer, one.on.layers());
    measure.mean(name, one.on, by_layer.index_select(1, chosen).mean(1));
  };
  constexpr auto kCount = static_cast<int64_t>(std::size(kOfRows));
  const auto report_pass = [&](const std::string& suffix, const Tensor& rows) {  // [B, L, 5]
    for (int64_t i = 0; i < kCount; ++i) report(kOfRows[i] + suffix, rows.select(2, i));
  };
  for (const auto& changed : one.interventions) {
    const auto values = changed.rows->layers();  // [B, L, 11]
    report("total_variation_" + changed.name, values.select(2, 0));
    if (changed.name == "mask") report_pass("_untouched", values.slice(2, 1, 1 + kCount));
    report_pass("_" + changed.name, values.slice(2, 1 + kCount));
  }
}

/// The positions and the pass of which a histogram shows activations or norms.
struct Sample {
  std::string name;
  Tensor values;  // [B, X]
};

/// `of` gives one pass's values [B, T, N]: position 0, the target and later positions, untouched and changed.
std::vector<Sample> samples_of(const Compared& one, const std::function<Tensor(const Observed&)>& of) {
  const auto untouched = of(one.untouched);
  const auto target = [&](const Tensor& x) { return x.select(1, one.target).flatten(1); };
  const auto others = [&](const Tensor& x) { return x.slice(1, one.target + 1).flatten(1); };
  std::vector<Sample> samples{
      {"first", untouched.select(1, 0).flatten(1)}, {"target", target(untouched)}, {"others", others(untouched)}};
  for (const auto& changed : one.interventions) {
    const auto values = of(changed.seen);
    samples.push_back({"target_" + changed.name, target(values)});
    samples.push_back({"others_" + changed.name, others(values)});
  }
  return samples;
}

void report_histograms(const std::string& name, const std::string& axis, const Condition& on,
                       const std::vector<Sample>& samples, Measure& measure) {
  double largest = 0;
  for (const auto& sample : samples) largest = std::max(largest, sample.values.max().item<double>());
  const LogBins bins(largest);
  for (const auto& sample : samples) {
    measure.series(name + "_" + sample.name, on, axis, bins.centres(), bins.shares(sample.values));
  }
}

void report_activations(const Compared& one, Measure& measure) {
  const auto count = static_cast<int64_t>(one.neurons.size());
  for (int64_t n = 0; n < count; ++n) {
    const auto of_neuron = [&](const Observed& pass) { return one.activation(pass).slice(2, n, n + 1); };
    for (const auto& sample : samples_of(one, of_neuron)) {
      measure.mean("super_neuron_activation_" + sample.name, one.on, sample.values.mean(1),
                   {{"layer", one.spike}, {"neuron", one.neurons[n]}});
    }
  }
  const auto magnitude = [&](const Observed& pass) { return one.activation(pass).abs(); };
  report_histograms("super_neuron_activation_histogram", "activation", one.on, samples_of(one, magnitude), measure);
}

/// By layer, and as a histogram after the dominant spike.
void report_norms(const Compared& one, Measure& measure) {
  const auto by_layer = [&](const std::string& name, const Tensor& values) {
    measure.by_layer(name, one.on, values, one.on.layers());
  };
  by_layer("first_norm", one.untouched.norms->layers().select(2, 0));
  const auto of_pass = [&](const std::string& name, const Observed& pass) {
    by_layer("target_norm_" + name, pass.norms->layers().select(2, one.target));
    by_layer("other_norm_" + name, pass.norms->layers().slice(2, one.target + 1).mean(2));
  };
  of_pass("untouched", one.untouched);
  for (const auto& changed : one.interventions) of_pass(changed.name, changed.seen);
  const auto after_spike = [&](const Observed& pass) { return pass.norms->layer(one.spike + 1).unsqueeze(2); };
  report_histograms("norm_histogram", "norm", one.on, samples_of(one, after_spike), measure);
}

void side_effects(Claim& claim) {
  const auto sinks = claim.sinks();
  const auto& survey = claim.survey.sinks;
  if (survey.dominant_spike == 0) Claim::unmet("no spike: the survey found no layer that multiplies position 0's norm");
  if (survey.onset_layer() == 1) {
    claim.report([](Measure& measure) { measure.note("The sink begins in layer 1: nothing to amplify before it."); });
  }
  for (const auto& on : claim.conditions()) {
    const auto compared = compare(claim, on);
    claim.report([=](Measure& measure) {
      for (const auto& changed : compared.interventions) report_judged(compared, changed, measure);
      report_rows(compared, sinks, measure);
      report_activations(compared, measure);
      report_norms(compared, measure);
    });
  }
}

REPLICATE_CLAIM(side_effects, "natural", "random", "calibration.sequences", "target", "lambda", "rows");

}  // namespace
}  // namespace replicate
