#pragma once

// Made-up records that look like a run on a 30-layer model: every verdict once at least, every kind
// of plot, missing points, a known failure, a departure. For tests of whatever reads records.

#include <cmath>
#include <functional>
#include <limits>

#include "harness/record/record.h"

namespace replicate::sample {

inline constexpr int kLayers = 30;
inline constexpr int kOnset = 9;
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

using Curve = std::function<double(double)>;

/// A little unevenness that is the same on every machine.
inline double ripple(double x) { return 0.5 * std::sin(2.3 * x) + 0.3 * std::sin(5.1 * x + 1); }

/// A smooth step from 0 to 1 at the onset layer.
inline double step(double layer) { return 1 / (1 + std::exp(-2.2 * (layer - kOnset + 0.5))); }

/// y(x) for x = first..last; the interval's half-width is `spread` times y.
inline Series curve(const std::string& name, const std::string& inputs, const std::string& axis, int first, int last,
                    const Curve& y, double spread = 0) {
  Series series{name, inputs, axis, {}, {}, {}, {}};
  for (int x = first; x <= last; ++x) {
    series.x.push_back(x);
    series.y.push_back(y(x));
    if (spread > 0) series.low.push_back(y(x) * (1 - spread));
    if (spread > 0) series.high.push_back(y(x) * (1 + spread));
  }
  return series;
}

inline Series by_layer(const std::string& name, const std::string& inputs, const Curve& y, double spread = 0) {
  return curve(name, inputs, "layer", 1, kLayers, y, spread);
}

inline Metric metric(const std::string& name, double value, double low, double high,
                     const std::string& inputs = "natural") {
  return {name, value, low, high, 24, inputs, {}};
}

inline Metric bare_metric(const std::string& name, double value, const std::string& inputs = "natural") {
  return {name, value, std::nullopt, std::nullopt, 24, inputs, {}};
}

inline InputsRecord inputs(const std::string& kind, int64_t length, char digit) {
  return {kind, kind, 24, length, std::string(64, digit), false};
}

inline void append(std::vector<Metric>& metrics, const std::vector<Metric>& more) {
  metrics.insert(metrics.end(), more.begin(), more.end());
}

/// Four positions; `masked`: position 2 sees only itself and is seen.
inline Map attention_map(const std::string& name, const std::string& title, bool masked) {
  const double seen = masked ? 0.4 : 0.05;
  return {name,
          "natural",
          "Attention in layer 12, " + title,
          {{"layer", 12}},
          {{1, 0, 0, 0},
           {0.8, 0.2, 0, 0},
           {masked ? 0 : 0.7, masked ? 0 : 0.1, masked ? 1 : 0.2, 0},
           {0.85 - seen, 0.002, seen, 0.148}}};
}

/// `metric` once for each of the first neurons of layer 8.
inline std::vector<Metric> by_neuron(const std::string& name, int count) {
  std::vector<Metric> metrics;
  for (int neuron = 0; neuron < count; ++neuron)
    metrics.push_back(
        {name, 40.0 - neuron, 39.0 - neuron, 41.0 - neuron, 24, "natural", {{"layer", 8}, {"neuron", neuron}}});
  return metrics;
}

inline Record base(const std::string& claim, const std::string& title, ClaimKind kind) {
  Record record;
  record.claim = claim;
  record.title = title;
  record.kind = kind;
  record.model = {"SmolLM2-135M", std::string(64, 'a'), "llama", "Q4_1", 134'515'008, kLayers, 576, 9, 3, 49152, false};
  record.inputs = {inputs("natural", 128, 'b'), inputs("random", 64, 'c')};
  record.seed = 1;
  record.profile = "cpu";
  record.environment = {"0.1.0", "0123456789ab", "2.13.0+cpu", "g++ 12.2.0", "cpu", "Example CPU", "float32", 2};
  record.thresholds_sha256 = std::string(64, 'd');
  record.calibration = "no definition is registered yet";
  record.command = "./replicate --only '^" + claim + "$' --profile cpu --model smollm2 --seed 1";
  record.parameters = "natural:\n  sequences: 24\n  length: 128\n";
  record.seconds = 41.7;
  record.peak_memory_mb = 812;
  return record;
}

inline Record sink_onset() {
  Record record = base("sink_onset", "Attention to the first token and its norm spike together", ClaimKind::mechanism);
  record.paper = {{"3", "18"},
                  "Attention sinks on the first token appear in the layer that follows the one whose "
                  "feed-forward network makes that token's norm spike.",
                  "Llama-2-7B: layer 2, Llama-3-8B likewise"};
  auto& measured = record.measurement;
  measured.series = {
      by_layer(
          "attention_to_first", "natural", [](double l) { return 0.04 + 0.66 * step(l) + 0.03 * ripple(l) * step(l); },
          0.05),
      by_layer(
          "attention_to_first", "random",
          [](double l) { return 0.05 + 0.55 * step(l) + 0.04 * ripple(l + 1) * step(l); }, 0.08),
      by_layer(
          "attention_to_first", "repeated", [](double l) { return 0.045 + 0.01 * ripple(l); }, 0.1),
      by_layer(
          "attention_to_first_null", "natural", [](double l) { return 0.043 + 0.0004 * ripple(l); }, 0.02),
      by_layer(
          "first_token_norm", "natural",
          [](double l) { return 12 * std::pow(1.06, l) + 5000 * step(l + 1) * (l < 30 ? 1 : 0.05); }, 0.12),
      by_layer(
          "other_token_norm", "natural", [](double l) { return 10 * std::pow(1.09, l); }, 0.03),
      by_layer(
          "excess_attention", "natural", [](double l) { return 0.6 * step(l); }, 0.05)};
  measured.metrics = {metric("onset_layer", 9, 9, 9),
                      metric("onset_after_spike", 1, 1, 1),
                      metric("excess_attention_after_spike", 0.5231, 0.5012, 0.5447),
                      {"spike_layers", 8, std::nullopt, std::nullopt, 24, "natural", {{"layer", 8}}},
                      bare_metric("spike_growth", 262.88),
                      bare_metric("onset_layer_null", kMissing),
                      metric("max_excess_attention_null", -0.0000123, -0.00081, 0.00075)};
  measured.samples = {{"excess_attention_after_spike", "natural", {}, {0.51, 0.53, 0.52}}};
  measured.notes = {"The dominant spike is layer 8; its output multiplies the norm ratio by 263."};
  record.criteria = {
      {"onset_after_spike", Operator::at_least, 1, "paper, figure 3", Outcome::pass, 0.0},
      {"excess_attention_after_spike", Operator::at_least, 0.2, "set before measuring", Outcome::pass, 1e-40}};
  record.controls = {{"max_excess_attention_null", "excess_attention_after_spike", 0.2, "set before measuring",
                      ControlOutcome::negative, 1e-30}};
  record.deviations = {"Excess attention replaces raw attention."};
  record.recorded = {
      .run = "cpu-smollm2", .profile = "cpu", .thresholds_sha256 = std::string(64, 'e'), .verdict = Verdict::pass};
  record.error_rates = {300, 0, 100, 3};
  record.panels = {
      {"Attention to the first token",
       "layer",
       "mean attention probability",
       false,
       false,
       {{"attention_to_first", "natural", "natural"},
        {"attention_to_first", "random", "random"},
        {"attention_to_first", "repeated", "repeated"},
        {"attention_to_first_null", "natural", "null model"}},
       {{"sink layer", 0.2}}},
      {"Norm of the residual stream",
       "layer",
       "l2 norm at the layer's input",
       false,
       true,
       {{"first_token_norm", "natural", "first token"}, {"other_token_norm", "natural", "other tokens, mean"}},
       {}}};
  record.verdict = Verdict::pass;
  record.reason =
      "excess_attention_after_spike is 0.523 [0.501, 0.545], at least 0.2, and the null "
      "model has no onset";
  return record;
}

inline Record dimension_disparity() {
  Record record = base("dimension_disparity", "A few dimensions dominate the first token", ClaimKind::mechanism);
  record.paper = {{"11", "14"},
                  "In sink layers the first token's residual stream is dominated by a few dimensions.",
                  "Llama-2: max |h| / mean |h| above 200; 262.88 after layer 2's RMSNorm"};
  record.measurement.series = {
      by_layer(
          "dominance_ratio", "natural", [](double l) { return 5 + 240 * step(l) * (1 - 0.01 * l); }, 0.06),
      by_layer(
          "dominance_ratio_rest", "natural", [](double l) { return 5 + 0.3 * l + ripple(l); }, 0.04),
      by_layer(
          "top4_energy", "natural", [](double l) { return l > 28 ? kMissing : 0.06 + 0.78 * step(l); }, 0.02),
      by_layer(
          "top4_energy_rest", "natural", [](double l) { return 0.08 + 0.004 * l; }, 0.02)};
  record.measurement.metrics = {
      metric("dominance_over_rest", 18.4, 16.9, 19.7),
      metric("top4_energy", 0.842, 0.836, 0.8479),
      metric("dominance_over_rest_null", 1.02, 0.99, 1.06),
      {"dominance_ratio", 205.3, 198.1, 212.4, 24, "natural", {{"layer", 12}, {"dimension", 138}}}};
  append(record.measurement.metrics, by_neuron("super_neuron_activation", 13));
  append(record.measurement.metrics, by_neuron("super_neuron_activation_rest", 13));
  append(record.measurement.metrics, {metric("top4_energy_distance_to_paper", 0.042, 0.036, 0.0479)});
  record.criteria = {{"dominance_over_rest", Operator::above, 5, "pilot on SmolLM2-135M", Outcome::pass, 0.017},
                     {"top4_energy", Operator::above, 0.9, "set before measuring", Outcome::fail, 0.9999}};
  record.calibrated = true;
  record.otherwise = "The sink may ride on a direction that is spread over many dimensions.";
  record.error_rates = {300, 2, 0, 0, 12, 100, 1, {{"dominance_over_rest_null", 100, 98}}};
  record.controls = {
      {"dominance_over_rest_null", "dominance_over_rest", 0.2, "set before measuring", ControlOutcome::negative}};
  record.panels = {
      {"Dominance ratio",
       "layer",
       "max |h| / mean |h|",
       false,
       true,
       {{"dominance_ratio", "natural", "first token"}, {"dominance_ratio_rest", "natural", "other tokens"}},
       {}},
      {"Energy in the four largest dimensions",
       "layer",
       "share of the squared norm",
       false,
       false,
       {{"top4_energy", "natural", "first token"}, {"top4_energy_rest", "natural", "other tokens"}},
       {{"criterion", 0.9}}}};
  record.verdict = Verdict::fail;
  record.reason = "top4_energy is 0.842 [0.836, 0.848], not above 0.9";
  record.known_verdict = Verdict::fail;
  record.known_why = "this model spreads its spike over six dimensions";
  return record;
}

inline Record rank_collapse() {
  Record record = base("rank_collapse", "Representations collapse after the sink", ClaimKind::mechanism);
  record.paper = {{"15", "21"},
                  "From the sink layer on, hidden states have a lower effective rank.",
                  "effective rank drops in the first layers"};
  const Curve rank = [](double l) { return 80 - 60 * step(l) + 0.6 * ripple(l) + 0.3 * l * step(l); };
  record.measurement.series = {
      by_layer("effective_rank", "natural", rank, 0.03),
      by_layer(
          "effective_rank_without_first", "natural", [](double l) { return 79 - 0.5 * l + ripple(l); }, 0.03),
      by_layer(
          "effective_rank_null", "natural", [](double l) { return 88 - 0.05 * l; }, 0.01)};
  record.measurement.metrics = {metric("effective_rank_drop", 0.31, 0.272, 0.348),
                                metric("effective_rank_drop_null", 0.0021, -0.0004, 0.0046)};
  record.criteria = {{"effective_rank_drop", Operator::above, 0.3, "set before measuring", Outcome::inconclusive}};
  record.controls = {
      {"effective_rank_drop_null", "effective_rank_drop", 0.2, "set before measuring", ControlOutcome::negative}};
  record.panels = {{"Effective rank of the hidden states",
                    "layer",
                    "effective rank (T = 128)",
                    false,
                    false,
                    {{"effective_rank", "natural", "all positions"},
                     {"effective_rank_without_first", "natural", "without position 0"},
                     {"effective_rank_null", "natural", "null model"},
                     {"effective_rank_stacked", "natural", "stacked"}},
                    {}}};
  record.verdict = Verdict::inconclusive;
  record.reason = "effective_rank_drop is 0.310 [0.272, 0.348], which straddles 0.3";
  return record;
}

inline Record mask_induced_sink() {
  Record record =
      base("mask_induced_sink", "A position that may see only itself becomes a sink", ClaimKind::intervention);
  record.paper = {{"5", "19"},
                  "When position k may attend only to itself, it becomes a sink.",
                  "Llama-2 and Llama-3, k = 10: attention to k rises to that of position 0"};
  const Curve late = [](double l) { return 0.01 + 0.004 * step(l); };
  record.measurement.series = {
      by_layer("attention_to_target_before", "natural", late, 0.2),
      by_layer(
          "attention_to_target_after", "natural", [](double l) { return 0.02 + 0.36 * step(l); }, 0.06),
      by_layer(
          "attention_to_first_after", "natural", [](double l) { return 0.03 + 0.38 * step(l); }, 0.05),
      by_layer(
          "attention_to_target_late", "natural", [](double l) { return 0.011 + 0.01 * step(l); }, 0.2),
      by_layer(
          "target_norm_before", "natural", [](double l) { return 11 * std::pow(1.08, l); }, 0.03),
      by_layer(
          "target_norm_after", "natural", [](double l) { return 11 * std::pow(1.08, l) + 4200 * step(l + 1); }, 0.15),
      curve(
          "attention_received_by_position_before", "natural", "position", 0, 127,
          [](double p) { return p == 0 ? 0.62 : 0.006 + 0.002 * ripple(p); }, 0.1),
      curve(
          "attention_received_by_position_after", "natural", "position", 0, 127,
          [](double p) { return p == 0    ? 0.31
                                : p == 10 ? 0.29
                                          : 0.006 + 0.002 * ripple(p); }, 0.1),
      {"attention_to_target_dose",
       "natural",
       "visible_positions",
       {1, 2, 4, 8},
       {0.38, 0.21, 0.07, 0.02},
       {0.36, 0.19, 0.06, 0.015},
       {0.4, 0.23, 0.08, 0.025}}};
  record.measurement.metrics = {metric("target_to_first_ratio", 0.94, 0.89, 0.99),
                                metric("target_after_to_before_ratio", 27.14, 24.4, 30.2),
                                metric("attention_to_target_after", 0.381, 0.362, 0.401),
                                metric("attention_to_target_late", 0.0207, 0.0168, 0.0249),
                                metric("attention_to_target_blocked_first", 0.0131, 0.0094, 0.0171)};
  record.criteria = {
      {"target_to_first_ratio", Operator::at_least, 0.5, "set before measuring", Outcome::pass, 3e-9},
      {"target_after_to_before_ratio", Operator::at_least, 5, "set before measuring", Outcome::pass, 0.002}};
  record.controls = {
      {"attention_to_target_blocked_first", "attention_to_target_after", 0.2, "set before measuring",
       ControlOutcome::negative},
      {"attention_to_target_late", "attention_to_target_after", 0.2, "set before measuring", ControlOutcome::negative}};
  record.panels = {{"Attention to the target (k = 10)",
                    "layer",
                    "mean attention probability",
                    false,
                    false,
                    {{"attention_to_target_after", "natural", "target, masked in every layer"},
                     {"attention_to_target_before", "natural", "target, untouched"},
                     {"attention_to_first_after", "natural", "position 0, target masked"},
                     {"attention_to_target_late", "natural", "target, masked late only"}},
                    {}},
                   {"Norm of the target",
                    "layer",
                    "l2 norm at the layer's input",
                    false,
                    true,
                    {{"target_norm_after", "natural", "masked"}, {"target_norm_before", "natural", "untouched"}},
                    {}},
                   {"Attention received",
                    "position",
                    "mean attention from later queries",
                    false,
                    true,
                    {{"attention_received_by_position_before", "natural", "before"},
                     {"attention_received_by_position_after", "natural", "target masked"}},
                    {}},
                   {"Dose and response",
                    "positions that the target may see",
                    "attention to the target",
                    true,
                    false,
                    {{"attention_to_target_dose", "natural", "target"}},
                    {}}};
  record.measurement.maps = {attention_map("attention_map_before", "untouched", false),
                             attention_map("attention_map_after", "position 2 masked", true)};
  record.edition = record.version = 2;
  record.standing = Standing::calibrated;
  record.bearing = Bearing::supports;
  record.fact = "mask_induced_sink";
  record.stages = {{4, {5, 6}, Verdict::pass, "both criteria are met", record.criteria, {}, record.controls},
                   {9, {10}, Verdict::inconclusive, "target_to_first_ratio straddles 0.5", {}, {}, {}},
                   {0, {5, 6, 10}, Verdict::pass, "both criteria are met", {}, {}, {}}};
  record.variations = {
      {"k5", "target: 5", true, ""}, {"bos", "bos: on", false, ""}, {"seed2", "seed: 2", {}, "out of memory"}};
  append(record.measurement.metrics, {metric("target_to_first_ratio_k5", 0.91, 0.85, 0.97),
                                      metric("target_after_to_before_ratio_k5", 25.2, 21.1, 29.9),
                                      metric("attention_to_target_after_k5", 0.352, 0.33, 0.371),
                                      metric("target_to_first_ratio_bos", 0.31, 0.28, 0.34, "natural_bos")});
  record.known_verdict = Verdict::fail;
  record.known_why = "an earlier version measured no sink";
  record.verdict = Verdict::pass;
  record.reason = "target_to_first_ratio is 0.94 [0.89, 0.99], at least 0.5, and both controls are negative";
  return record;
}

inline Record variance_discrepancy() {
  Record record =
      base("variance_discrepancy", "Averaging shrinks the variance of later positions", ClaimKind::mechanism);
  record.paper = {{"1", "4"}, "Position 0's head output varies most over inputs.", "variance falls monotonically"};
  record.measurement.unmet = "a constant first token has no variance";
  record.arithmetic =
      "A null model passes this claim, too: averaging independent values shrinks their "
      "variance whatever the weights are.";
  record.panels = {{"Variance by position",
                    "position",
                    "variance",
                    false,
                    true,
                    {{"variance_by_position", "random", "layer 1"}},
                    {}}};
  record.verdict = Verdict::not_applicable;
  record.reason = "a constant first token has no variance";
  record.seconds = 0.4;
  return record;
}

inline Record falsification() {
  Record record = base("falsification", "Without the super neurons' output the sink goes", ClaimKind::intervention);
  record.paper = {{}, "Removing the super neurons' down-projections removes the sink.", ""};
  record.criteria = {{"attention_to_first_zero", Operator::below, 0.5, "set before measuring"}};
  record.verdict = Verdict::error;
  record.reason = "out of memory (layer 12): use fewer sequences, --set falsification.natural.sequences=8";
  record.inputs.clear();
  record.seconds = 3.2;
  return record;
}

inline std::vector<Record> records() {
  return {sink_onset(),        dimension_disparity(),  rank_collapse(),
          mask_induced_sink(), variance_discrepancy(), falsification()};
}

}  // namespace replicate::sample
