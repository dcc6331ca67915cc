// What else changes when position k is made a sink: how later rows share out their attention, the norm of the residual
// stream, and the super neurons of the dominant spike, at k and after it. Beside the mask of the claim side_effects:
// the same with the super neurons of the judged stage held at k; a placebo, in which k loses one random other key; and
// amplified variance of the head outputs at k. On natural and random ids, over all sink layers of the model.
// Cost: a pass per intervention and kind of ids, and one of the calibration passages to the onset.

#include <algorithm>
#include <cmath>

#include "harness/study/log_bins.h"
#include "harness/study/measures/lane_comparison.h"
#include "harness/study/measures/mediated_sink.h"
#include "harness/study/measures/row_comparison.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"
#include "models/core/tensor_values.h"
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
  std::shared_ptr<LaneComparison> rows;  // [B, L, 11]
};

/// The untouched model and its interventions on one kind of inputs.
struct Compared {
  Condition on;
  int64_t target = 0, spike = 0;
  std::vector<int64_t> neurons;  // N super neurons of the spike
  Observed untouched;
  std::vector<Intervention> interventions = {};

  Tensor activation(const Observed& pass) const { return pass.neurons->layer(spike); }  // [B, T, N]
};

// --- Passes ---------------------------------------------------------------------------------------------------

/// Norms of [..., D]: [...].
Tensor norm_of(const Tensor& hidden) { return at::linalg_vector_norm(hidden, 2, {-1}, false, at::kDouble); }

Observed observe(Run run, int64_t spike, const std::vector<int64_t>& neurons) {
  const auto chosen = at::tensor(neurons, at::kLong);
  const auto activations = watch(Site::hidden, [chosen](const Tensor& hidden) {  // [b, T, F]
    return hidden.index_select(2, chosen.to(hidden.device()));
  });
  return {run.add(only_in({spike}, activations)), run.add(watch_residual(norm_of))};
}

/// Declares a pass with the patches, and compares it with the untouched one.
void intervene(Claim& claim, Compared& one, Run untouched, const std::string& name, std::vector<Patch> patches) {
  const auto k = one.target;
  auto changed = claim.run(one.on, std::move(patches));
  const auto rows = std::make_shared<LaneComparison>(
      [k](const Tensor& before, const Tensor& after) { return compare_rows(before, after, k); });
  one.interventions.push_back({name, observe(changed, one.spike, one.neurons), rows});
  const auto queries = later_queries(k, one.on.length(), claim.parameters.integer("rows"));
  untouched.add(rows_for(rows, false, queries));
  changed.add(rows_for(rows, true, queries));
}

/// The target sees all positions up to itself but a random one, not the first, drawn anew for every sequence.
RowMask all_but_one(int64_t target, LayerRange layers, int64_t sequences, Random& random) {
  MaskedRow row{target, {}};
  for (int64_t b = 0; b < sequences; ++b) {
    auto keys = to_vector<int64_t>(at::arange(target + 1));
    keys.erase(keys.begin() + 1 + static_cast<int64_t>(random.below(target - 1)));
    row.keys.push_back(std::move(keys));
  }
  return {layers, row};
}

void add_placebo(Claim& claim, Compared& one, Run untouched) {
  if (one.target < 2) return;  // no other key is there to lose
  Random random(derive_seed(claim.seed, "side_effects/placebo"));
  intervene(claim, one, untouched, "placebo",
            {all_but_one(one.target, {1, one.on.layers()}, one.on.tokens->sequences(), random)});
}

void add_amplified(Claim& claim, Compared& one, Run untouched) {
  const auto onset = claim.survey.sinks.onset_layer();
  if (onset == 1) return;  // no layer lies before it
  const auto outputs = record_calibration(claim, one.on, {1, onset - 1}, one.target);
  intervene(claim, one, untouched, "amplify", {amplify(outputs, one.target, claim.parameters.integer("lambda"))});
}

Compared compare(Claim& claim, const Stage& stage, const Condition& on) {
  const auto k = target_of(claim);
  check_target(k, on, "side_effects");
  const auto spike = claim.spike();
  const auto& neurons = claim.survey.writers_of(spike).neurons;
  const auto untouched = claim.run(on);
  Compared one{on, k, spike, neurons, observe(untouched, spike, neurons)};
  std::vector<Patch> patches{only_itself(k, {1, on.layers()})};
  intervene(claim, one, untouched, "mask", patches);
  for (auto& patch : at_each_spike(stage, hold_super_neurons(untouched, k))) patches.push_back(std::move(patch));
  intervene(claim, one, untouched, "held", patches);
  add_placebo(claim, one, untouched);
  add_amplified(claim, one, untouched);
  return one;
}

// --- What is reported of them ---------------------------------------------------------------------------------

/// How attention of the later rows is shared out, by layer, and its mean over the sink layers.
void report_rows(const Compared& one, const std::vector<int64_t>& sinks, Measure& measure) {
  const auto report = [&](const std::string& name, const Tensor& by_layer) {  // [B, L]
    measure.by_layer(name, one.on, by_layer, one.on.layers());
    measure.mean(name, one.on, mean_over_layers(by_layer, sinks));
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

/// Whether later rows change more in the texts in which the mask makes a stronger sink: over texts, the correlation of
/// total variation with what the mask adds to the attention to k, means over the sink layers.
void report_correlation(const Compared& one, const std::vector<int64_t>& sinks, Measure& measure) {
  constexpr int64_t kToTarget = 3, kOfPass = std::size(kOfRows);  // "attention_to_target" in kOfRows
  const auto values = mean_over_layers(one.interventions.front().rows->layers(), sinks);  // [B, 11]
  const auto x = values.select(1, 0);
  const auto y = values.select(1, 1 + kOfPass + kToTarget) - values.select(1, 1 + kToTarget);
  measure.of_means({"total_variation_induced_correlation"}, one.on,
                   {{"total_variation"}, {"induced"}, {"total_variation_squared"}, {"induced_squared"}, {"product"}},
                   at::stack({x, y, x * x, y * y, x * y}, 1), [](std::span<const double> m) {
                     const double spread = (m[2] - m[0] * m[0]) * (m[3] - m[1] * m[1]);
                     return std::vector{(m[4] - m[0] * m[1]) / std::sqrt(spread)};
                   });
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

void around_induced_sinks(Claim& claim) {
  const auto sinks = claim.sinks();
  const auto stage = claim.stage();
  for (const auto& on : claim.conditions()) {
    const auto compared = compare(claim, stage, on);
    claim.report([=](Measure& measure) {
      report_rows(compared, sinks, measure);
      report_correlation(compared, sinks, measure);
      report_activations(compared, measure);
      report_norms(compared, measure);
    });
  }
}

REPLICATE_DESCRIPTION(side_effects, around_induced_sinks, "calibration.sequences", "lambda");

}  // namespace
}  // namespace replicate
