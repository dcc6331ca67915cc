// The claim side_effects on planted models of which we know whether later positions change through the sink alone.

#include <gtest/gtest.h>

#include "harness/study/target.h"
#include "models/core/tensor_values.h"
#include "tests/support/planted_side_effects.h"

namespace replicate {
namespace {

constexpr Sizes kSideSizes{.sequences = 16, .length = 64, .calibration = 32};
constexpr int64_t kMasked = 10;

Trial side_effects_of(const std::shared_ptr<const Model>& model, const std::vector<std::string>& overrides = {}) {
  return ExperimentBench(model, kSideSizes).run("side_effects", overrides);
}

TEST(SideEffects, PassesWhereTheSinkMakesTheChange) {
  const auto trial = side_effects_of(changed_through_the_sink());
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent) << "the paper says nothing of it";
  EXPECT_LT(metric_in(trial, "total_variation_held_share").value, 0.2);
  EXPECT_EQ(metric_in(trial, "moved_neurons_share").where.at("spike"), kPlantedSpike);
}

TEST(SideEffects, FailsWhereTheMaskIsFeltWithoutTheSink) {
  const auto trial = side_effects_of(changed_before_the_sink(Feels::keys));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent);
  for (const auto* name : {"total_variation", "entropy_change", "mixing_change"}) {
    EXPECT_EQ(criterion_in(trial, std::string(name) + "_held_beyond_half"), Outcome::fail) << name;
  }
}

TEST(SideEffects, FailsWhereNeuronsOfOtherPositionsMove) {
  const auto trial = side_effects_of(changed_before_the_sink(Feels::neurons));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "moved_neurons_share"), Outcome::fail);
}

TEST(SideEffects, SaysSoWhereNoSinkWasInduced) {
  auto sizes = kSideSizes;
  sizes.bos = true;
  const auto trial = ExperimentBench(planted_sink_at_bos(), sizes).run("side_effects");
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(trial.judgement.reason.rfind("the mask induced no sink", 0), 0U) << trial.judgement.reason;
}

TEST(SideEffects, SaysSoWhereHoldingLeavesTheSink) {
  const auto trial = side_effects_of(planted_variant(let_the_sink_matter, Circuit::backup));
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(trial.judgement.reason.rfind("the sink is still there", 0), 0U) << trial.judgement.reason;
}

/// Of a change as small as rounding, half is nothing that one could judge.
TEST(SideEffects, SaysSoWhereTheMaskChangesNothing) {
  const auto trial = side_effects_of(planted_model(1));
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(trial.judgement.reason.find("changes hardly anything elsewhere"), std::string::npos)
      << trial.judgement.reason;
}

/// A spike in layer 1 cannot feel the mask, so the share would be 0 by arithmetic.
TEST(SideEffects, LeavesOutTheNeuronsOfLayer1) {
  auto sizes = kSideSizes;
  sizes.bos = true;
  const auto at_layer_1 = ExperimentBench(planted_sink_at_bos(1), sizes).run("side_effects");
  EXPECT_THROW(metric_in(at_layer_1, "moved_neurons_share"), std::runtime_error);
  EXPECT_EQ(metric_in(at_layer_1, "induced_excess").where.at("spike"), 1);
  auto without = side_effects_of(changed_through_the_sink());
  std::erase_if(without.measurement.metrics, [](const Metric& metric) { return metric.name == "moved_neurons_share"; });
  EXPECT_EQ(judge(without.measurement, without.judging, at_spike(kPlantedSpike)).verdict, Verdict::pass);
}

TEST(SideEffects, IsNotApplicableWithoutAStage) {
  const auto trial = side_effects_of(planted_model(0));
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(trial.judgement.reason, "no spike with a sink after it");
}

// ---- by passes of the test's own --------------------------------------------------------------------

/// Rows of attention [H, R, T] and norms of the values [H, T] in each layer from 3 on, of one sequence.
struct OwnPass {
  std::vector<Tensor> rows, norms;
};

OwnPass own_pass(const std::shared_ptr<const Model>& model, const Tokens& tokens, std::vector<Patch> patches) {
  std::vector<int64_t> queries;
  for (int64_t q = kMasked + 1; q < tokens->length(); ++q) queries.push_back(q);
  const auto rows = watch_attention({.rows = queries}, [](const AttentionStatistics& seen) { return seen.rows; });
  const auto values = watch(Site::value, [](const Tensor& v) { return v; });
  run({{model, tokens, std::move(patches), {rows, values}}}, {});
  OwnPass pass;
  for (int64_t layer = kPlantedSpike + 1; layer <= planted_config().layers; ++layer) {
    pass.rows.push_back(rows->layer(layer)[0]);
    pass.norms.push_back(values->layer(layer)[0].square().sum(-1).sqrt().repeat_interleave(2, 0));  // two heads a group
  }
  return pass;
}

/// Without columns 0 and k.
Tensor others(const Tensor& row) {
  auto rest = row.clone();
  rest[0] = 0;
  rest[kMasked] = 0;
  return rest / rest.sum();
}

/// Total variation, change of entropy and change of mixing of two passes, means over layers, heads and rows.
std::array<double, 3> own_change(const OwnPass& before, const OwnPass& after) {
  std::array<double, 3> sum{};
  double count = 0;
  const auto entropy = [](const Tensor& p) { return -at::xlogy(p, p).sum().item<double>(); };
  const auto mixed = [](const Tensor& w) { return 1 / w.square().sum().item<double>(); };
  for (size_t l = 0; l < before.rows.size(); ++l) {
    for (int64_t h = 0; h < before.rows[l].size(0); ++h) {
      for (int64_t r = 0; r < before.rows[l].size(1); ++r, ++count) {
        const auto a = before.rows[l][h][r], b = after.rows[l][h][r];
        sum[0] += (others(a) - others(b)).abs().sum().item<double>() / 2;
        sum[1] += std::abs(entropy(others(a)) - entropy(others(b)));
        sum[2] += std::abs(mixed(others(a * before.norms[l][h])) - mixed(others(b * after.norms[l][h])));
      }
    }
  }
  for (auto& value : sum) value /= count;
  return sum;
}

double unit_of(const Trial& trial, const std::string& metric, size_t sequence) {
  for (const auto& samples : trial.measurement.samples) {
    if (samples.metric == metric) return samples.values.at(sequence);
  }
  throw std::runtime_error(metric + " has no samples");
}

TEST(SideEffects, RowsAreComparedAsItSays) {
  const auto model = changed_through_the_sink();
  ExperimentBench bench(model, kSideSizes);
  const auto trial = bench.run("side_effects");
  const auto all = bench.maker().make(InputKind::natural, {16, 64});
  const auto activations = watch(Site::hidden, [](const Tensor& z) { return z; });
  run({{model, all, {}, {only_in({kPlantedSpike}, activations)}}}, {});
  const Patch mask = only_itself(kMasked, {1, 6});
  for (const size_t b : {0, 7}) {
    const auto sequence = static_cast<int64_t>(b);
    const auto tokens = make_tokens(all->ids.slice(0, sequence, sequence + 1));
    const auto held = activations->layer(kPlantedSpike)[sequence][kMasked][kPlantedNeuron].item<float>();
    const AffinePatch hold{Site::hidden, {kPlantedSpike, kPlantedSpike}, {kMasked}, {kPlantedNeuron}, 0, {{held}}};
    const auto untouched = own_pass(model, tokens, {});
    const auto by_mask = own_change(untouched, own_pass(model, tokens, {mask}));
    const auto by_held = own_change(untouched, own_pass(model, tokens, {mask, hold}));
    const std::string names[] = {"total_variation", "entropy_change", "mixing_change"};
    for (size_t i = 0; i < 3; ++i) {
      const double expected = by_held[i] - 0.5 * by_mask[i];
      EXPECT_NEAR(unit_of(trial, names[i] + "_held_beyond_half", b), expected, 0.01 * std::abs(expected)) << names[i];
    }
  }
}

TEST(SideEffects, NeuronsAreCountedAsItSays) {
  const auto model = changed_before_the_sink(Feels::neurons);
  ExperimentBench bench(model, kSideSizes);
  const auto trial = bench.run("side_effects");
  const auto tokens = bench.maker().make(InputKind::natural, {16, 64});
  const auto before = watch(Site::hidden, [](const Tensor& z) { return z; });
  const auto after = watch(Site::hidden, [](const Tensor& z) { return z; });
  run({{model, tokens, {}, {only_in({kPlantedSpike}, before)}},
       {model, tokens, {only_itself(kMasked, {1, 6})}, {only_in({kPlantedSpike}, after)}}},
      {});
  const auto z = before->layer(kPlantedSpike).slice(1, kMasked + 1),
             moved = after->layer(kPlantedSpike).slice(1, kMasked + 1);
  int64_t count = 0;
  for (int64_t neuron = 0; neuron < z.size(2); ++neuron) {
    const auto deviation = z.select(2, neuron).flatten().std().item<double>();
    count += (moved.select(2, neuron) - z.select(2, neuron)).abs().gt(3 * deviation).sum().item<int64_t>();
  }
  EXPECT_NEAR(metric_in(trial, "moved_neurons_share").value,
              static_cast<double>(count) / static_cast<double>(z.numel()), 1e-6);
}

}  // namespace
}  // namespace replicate
