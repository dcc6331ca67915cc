// The claim super_neuron_alignment on models of which we know which neurons write the spike.

#include <gtest/gtest.h>

#include <cmath>

#include "models/core/watch.h"
#include "tests/support/planted_writers.h"

namespace replicate {
namespace {

constexpr const char* kShare = "super_neurons_written_share";
constexpr const char* kCosine = "super_neurons_gate_cosine_contrast";
constexpr const char* kApart = "written_share_apart_from_spikes";

Trial super_neuron_trial(const std::shared_ptr<const Model>& model) {
  return ExperimentBench(model).run("super_neuron_alignment");
}

TEST(SuperNeuronAlignment, PassesWhereOnePlantedNeuronWritesTheSpike) {
  const auto trial = super_neuron_trial(planted_model(1));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_GT(metric_in(trial, kShare).value, 0.99);
  EXPECT_LT(std::abs(metric_in(trial, kApart).value), 0.1);
}

TEST(SuperNeuronAlignment, AgreesWithPlainTensors) {
  ExperimentBench bench(planted_model(1));
  const auto trial = bench.run("super_neuron_alignment");
  const auto see = [](Site site) { return only_in({kPlantedSpike}, watch(site, [](const Tensor& x) { return x; })); };
  const auto input = see(Site::ffn_normed), hidden = see(Site::hidden), output = see(Site::ffn_output);
  const auto model = planted_model(1);
  run({{model, bench.maker().make(InputKind::natural, {16, 64}), {}, {input, hidden, output}}}, {});
  const auto weights = model->weights->block(kPlantedSpike);
  const auto gate = weights.gate[kPlantedNeuron].to(at::kDouble), down = weights.down.select(1, kPlantedNeuron);
  double share = 0, contrast = 0;
  for (int64_t b = 0; b < 16; ++b) {
    const auto x = input->layer(kPlantedSpike)[b], written = output->layer(kPlantedSpike)[b][0];  // [T, D], [D]
    const auto z = hidden->layer(kPlantedSpike)[b][0][kPlantedNeuron];
    share += (z * at::dot(down.to(at::kDouble), written) / at::dot(written, written)).item<double>() / 16;
    const auto cosine = at::matmul(x, gate) / (x.square().sum(1).sqrt() * gate.square().sum().sqrt());  // [T]
    contrast += (cosine[0] - cosine.slice(0, 1).mean()).item<double>() / 16;
  }
  EXPECT_NEAR(metric_in(trial, kShare).value, share, 1e-4);
  EXPECT_NEAR(metric_in(trial, kCosine).value, contrast, 1e-4);
}

TEST(SuperNeuronAlignment, FailsWhereNoNeuronMeetsTheRule) {
  const auto trial = super_neuron_trial(sparse_columns());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, kShare), Outcome::fail);
  EXPECT_EQ(metric_in(trial, kShare).value, 0);
  EXPECT_EQ(criterion_in(trial, kCosine), Outcome::not_measured);
}

TEST(SuperNeuronAlignment, FailsWhereTheyWriteLessThanHalf) {
  const auto trial = super_neuron_trial(dense_writer_beside(3.1));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, kShare), Outcome::fail);
  EXPECT_GT(metric_in(trial, kShare).value, 0.2);
  EXPECT_EQ(criterion_in(trial, kCosine), Outcome::pass);
}

TEST(SuperNeuronAlignment, FailsByTheControlWhereALayerApartHasSuchNeuronsToo) {
  const auto trial = super_neuron_trial(super_neuron_apart());
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(control_in(trial, kApart), ControlOutcome::fires);
  EXPECT_EQ(criterion_in(trial, kShare), Outcome::pass);
}

TEST(SuperNeuronAlignment, IsNotApplicableWithoutASpikeAndASink) {
  for (const auto circuit : {Circuit::spike_without_sink, Circuit::sink_without_spike}) {
    const auto trial = super_neuron_trial(planted_model(1, 1, circuit));
    EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
    EXPECT_EQ(trial.judgement.reason, "no spike with a sink after it");
  }
}

}  // namespace
}  // namespace replicate
