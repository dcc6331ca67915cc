// The planted model does what its construction says, and the claims find it: what we know to be true they pass, and
// without the planted write they do not.

#include "tests/support/planted_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "harness/study/measures/sink_probes.h"
#include "tests/support/experiment_fixture.h"

namespace replicate {
namespace {

using Indices = std::vector<int64_t>;

/// One lane of the planted model over random letters and what is seen of it.
struct Seen {
  std::shared_ptr<Watch> columns, norms;
  Tokens tokens;
  int64_t target;

  /// Attention to position 0 (which = 0) or to the target (1), mean over the layers after the spike: [B].
  Tensor attention(int64_t which) const {
    const auto to_target = columns->layers().slice(1, kPlantedSpike).select(2, which);
    return attention_to(to_target, target, tokens->length()).mean(1);
  }
};

Tokens letters(int64_t sequences, int64_t length, InputKind kind = InputKind::natural) {
  InputMaker maker(letter_tokenizer(200), 200, {random_prose()}, 3);
  return maker.make(kind, {sequences, length});
}

Seen look(double strength, std::vector<Patch> patches = {}, int64_t target = 10, Tokens tokens = letters(12, 64)) {
  Seen seen{watch_columns({0, target}), watch_norms(), std::move(tokens), target};
  run({{planted_model(strength), seen.tokens, std::move(patches), {seen.columns, seen.norms}}}, {});
  return seen;
}

double mean_of(const Tensor& x) { return x.mean().item<double>(); }

TEST(PlantedModel, ValuesAverageOutEverywhereButAtTheFirstPosition) {
  const auto heads = watch(Site::head_output, [](const Tensor& x) { return x.flatten(2); });
  run({{planted_model(1), letters(200, 32), {}, {only_in({1}, heads)}}}, {});
  const auto variance = heads->layer(1).var(0).mean(-1);  // [T]
  const auto expected = variance[0] / at::arange(1, 33, at::kDouble);
  EXPECT_LT((variance / expected - 1).abs().max().item<double>(), 0.15);
}

TEST(PlantedModel, NothingShowsBeforeTheSpike) {
  const auto seen = look(1);
  const auto norms = seen.norms->layers().mean(0);  // [L + 1, 3]
  for (int64_t layer = 0; layer < kPlantedSpike; ++layer) {
    EXPECT_LT((norms[layer][0] / norms[layer][2]).item<double>(), 1.3) << layer + 1;
  }
  const auto excess = excess_attention(seen.columns->layers().select(2, 0), 0, 64).mean(0);
  EXPECT_LT(excess.slice(0, 0, kPlantedSpike).abs().max().item<double>(), 0.05);
}

TEST(PlantedModel, TheSuperNeuronFiresAlikeForAnyFirstToken) {
  const auto neurons = std::make_shared<NeuronProbe>(Indices{kPlantedSpike});
  run({{planted_model(1), letters(40, 64), {}, {neurons}}}, {});
  const auto first = neurons->first(kPlantedSpike).select(1, kPlantedNeuron);
  EXPECT_LT((first.std() / first.mean()).item<double>(), 0.15);
  EXPECT_GT(mean_of(first), 20 * mean_of(neurons->rest_max(kPlantedSpike).select(1, kPlantedNeuron)));
  EXPECT_GT(mean_of(neurons->written_share(kPlantedSpike).select(1, kPlantedNeuron)), 0.99);
}

TEST(PlantedModel, TheSurveyFindsAllOfItAndOnlyThat) {
  for (const uint64_t seed : {1, 2, 3}) {
    const auto survey = ExperimentBench(planted_model(1, seed), {}, seed).survey();
    EXPECT_EQ(survey.sinks.sink_layers, (Indices{3, 4, 5, 6})) << seed;
    ASSERT_EQ(survey.sinks.spikes.size(), 1U) << seed;
    EXPECT_EQ(survey.sinks.dominant_spike, kPlantedSpike);
    const auto& writers = survey.writers_of(kPlantedSpike);
    EXPECT_TRUE(writers.by_criteria);
    EXPECT_EQ(writers.neurons, (Indices{kPlantedNeuron}));
    EXPECT_EQ(writers.dimensions.front(), kPlantedDimension);
    EXPECT_NE(writers.matched_neurons, writers.neurons);
  }
}

TEST(PlantedModel, WithoutTheWriteTheSurveyFindsNothing) {
  const auto survey = ExperimentBench(planted_model(0)).survey();
  EXPECT_TRUE(survey.sinks.sink_layers.empty());
  EXPECT_TRUE(survey.sinks.spikes.empty());
  EXPECT_EQ(survey.sinks.dominant_spike, 0);
  EXPECT_TRUE(survey.writers.empty());
}

Survey survey_of(Circuit circuit) { return ExperimentBench(planted_model(1, 1, circuit)).survey(); }

TEST(PlantedModel, BrokenCircuitsLackWhatTheyAreNamedFor) {
  const auto no_sink = survey_of(Circuit::spike_without_sink);
  EXPECT_TRUE(no_sink.sinks.sink_layers.empty());
  EXPECT_EQ(no_sink.sinks.dominant_spike, kPlantedSpike);

  const auto no_spike = survey_of(Circuit::sink_without_spike);
  EXPECT_FALSE(no_spike.sinks.sink_layers.empty());
  EXPECT_TRUE(no_spike.sinks.spikes.empty());

  ExperimentBench dense(planted_model(1, 1, Circuit::dense_direction));
  EXPECT_EQ(dense.survey().sinks.sink_layers, (Indices{3, 4, 5, 6}));
  EXPECT_EQ(dense.survey().sinks.dominant_spike, kPlantedSpike);
  EXPECT_EQ(dense.run("dimension_disparity").judgement.verdict, Verdict::fail);

  ExperimentBench backup(planted_model(1, 1, Circuit::backup));
  EXPECT_EQ(backup.survey().sinks.dominant_spike, kPlantedSpike);
  EXPECT_EQ(backup.run("falsification").judgement.verdict, Verdict::fail);
}

TEST(PlantedModel, HasItsSinksByTheRuleOfTheSurvey) {
  for (const auto& [sink_excess, layers] : std::map<double, Indices>{{0.2, {3, 4, 5, 6}}, {1.1, {}}}) {
    auto rules = survey_rules();
    rules.stages.sink_excess = sink_excess;
    const Surveyor surveyor(rules);
    run({{planted_model(1), letters(6, 64), {}, surveyor.probes()}}, {});
    const auto survey = surveyor.reduce(planted_config().layers, 64);
    EXPECT_EQ(survey.sink_excess, sink_excess);
    EXPECT_EQ(survey.sinks.sink_layers, layers) << sink_excess;
    EXPECT_EQ(survey.stages.at(0).sinks, layers) << sink_excess;
  }
}

TEST(PlantedModel, MoreStrengthMoreSpikeAndSink) {
  double last_norm = 0, last_attention = 0;
  for (const double strength : {0.0, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0}) {
    const auto seen = look(strength);
    const double norm = mean_of(seen.norms->layer(kPlantedSpike + 1).select(1, 0));
    const double attention = mean_of(seen.attention(0));
    EXPECT_GT(norm, last_norm) << strength;
    // RMSNorm leaves nothing to gain once the axis dominates.
    EXPECT_GT(attention, strength <= 0.1 ? last_attention : 0.9) << strength;
    last_norm = norm;
    last_attention = attention;
  }
}

TEST(PlantedModel, TheKeyOfTheFirstPositionIsOneAndTheOthersAreNot) {
  const auto keys = only_in({4}, watch(Site::key, [](const Tensor& k) {
                              return k / at::linalg_vector_norm(k, 2, {-1}, true);  // [B, G, T, K]
                            }));
  run({{planted_model(1), letters(12, 16), {}, {keys}}}, {});
  const auto cosine = [&](int64_t position) {
    const auto k = keys->layer(4).select(2, position).select(1, 0);  // [B, K]
    return mean_of(at::matmul(k, k.t()));
  };
  EXPECT_GT(cosine(0), 0.99);
  EXPECT_LT(cosine(9), 0.5);
}

TEST(PlantedModel, EveryPositionOfOneRepeatedTokenLooksLikeTheFirst) {
  const auto seen = look(1, {}, 10, letters(6, 64, InputKind::repeated));
  const auto norms = seen.norms->layer(kPlantedSpike + 1).mean(0);
  EXPECT_NEAR((norms[0] / norms[2]).item<double>(), 1, 0.05);
  EXPECT_LT(mean_of(seen.attention(0)), 0.1);
}

TEST(PlantedModel, APositionThatSeesOnlyItselfBecomesASink) {
  const auto masked = look(1, {RowMask{{1, 6}, {10, {{10}}}}});
  EXPECT_NEAR(mean_of(masked.attention(1)), mean_of(masked.attention(0)), 0.1);
  const auto late = look(1, {RowMask{{3, 6}, {10, {{10}}}}});
  EXPECT_LT(mean_of(late.attention(1)), 0.01);
}

/// o -> mean + lambda (o - mean) in both layers up to the spike, the mean taken over many other sequences.
Seen amplified(float lambda) {
  const auto others = letters(256, 64, InputKind::random);
  const Recording mean{"target", Site::head_output, {1, 2}, {10}};
  const Transplant patch{Site::head_output, {1, 2}, {10}, {}, lambda, 1 - lambda, mean.name, Combine::sequence_mean};
  Seen seen{watch_columns({0, 10}), watch_norms(), letters(12, 64), 10};
  const auto model = planted_model(1);
  run({{model, others, {}, {}, {mean}}, {model, seen.tokens, {patch}, {seen.columns, seen.norms}}}, {});
  return seen;
}

TEST(PlantedModel, ALargerDeviationMakesASinkAndALargerNormDoesNot) {
  const auto scaled = [](float lambda) {
    return look(1, {AffinePatch{Site::head_output, {1, 2}, {10}, {}, lambda, {}}});
  };
  EXPECT_LT(mean_of(amplified(1).attention(1)), 0.01);
  EXPECT_LT(mean_of(amplified(2).attention(1)), 0.1);
  const auto most = amplified(8);
  EXPECT_GT(mean_of(most.attention(1)), 0.5 * mean_of(most.attention(0)));
  EXPECT_LT(mean_of(scaled(8).attention(1)), 0.01);
}

// ---- what a paper names of its model, as configs/models/llama-2-7b.yaml has it ----------------------

double metric(const Trial& trial, const std::string& name) {
  for (const auto& one : trial.measurement.metrics) {
    if (one.name == name) return one.value;
  }
  ADD_FAILURE() << name << " was not measured: " << trial.judgement.reason;
  return 0;
}

TEST(PlantedModel, ANamedNeuronIsJudgedByWhatItWrites) {
  ExperimentBench bench(planted_model(1));
  const auto named = [&](int64_t neuron, int64_t dimension) {
    return bench.run("super_neuron_alignment",
                     {"named.layer=" + std::to_string(kPlantedSpike), "named.neuron=" + std::to_string(neuron),
                      "named.dimensions=[3, " + std::to_string(dimension) + "]"});
  };
  const auto right = named(kPlantedNeuron, kPlantedDimension);
  EXPECT_GT(metric(right, "named_neuron_written_share"), 0.99);
  EXPECT_GT(metric(right, "named_neuron_selectivity"), 20);
  EXPECT_EQ(metric(right, "named_neuron_writes_named_dimension"), 1);
  EXPECT_EQ(metric(named(kPlantedNeuron, kPlantedDimension + 1), "named_neuron_writes_named_dimension"), 0);
  EXPECT_LT(metric(named(kPlantedNeuron + 1, kPlantedDimension), "named_neuron_written_share"), 0.01);
  EXPECT_EQ(named(1 << 20, 0).judgement.verdict, Verdict::error);
}

TEST(PlantedModel, ANamedLayersDominanceIsMeasuredAfterItsNorm) {
  ExperimentBench bench(planted_model(1));
  const auto after = [&](int64_t layer) {
    return metric(bench.run("dimension_disparity", {"named_layer=" + std::to_string(layer)}),
                  "dominance_ratio_normed_named");
  };
  EXPECT_GT(after(kPlantedSpike + 1), 10 * after(kPlantedSpike));
}

// ---- the claims on it -------------------------------------------------------------------------------

/// What a claim must come to with the whole write and without it. A claim that fresh weights pass stands here with
/// `pass` twice. One that is not listed must only end without an error: output_projection_alignment is not part of what
/// was planted, head_imbalance wants more heads, sink_onset more layers, and side_effects a sink that changes what
/// later positions read. These have tests of their own.
struct Expectation {
  Verdict planted, without;
};

const std::map<std::string, Expectation> kExpected = {
    {"variance_discrepancy", {Verdict::pass, Verdict::pass}},
    {"discrepancy_amplification", {Verdict::pass, Verdict::not_applicable}},
    {"dimension_disparity", {Verdict::pass, Verdict::not_applicable}},
    {"rank_collapse", {Verdict::fail, Verdict::not_applicable}},  // the drop is position 0's own
    {"super_neuron_alignment", {Verdict::pass, Verdict::not_applicable}},
    {"qk_locking", {Verdict::pass, Verdict::not_applicable}},
    {"mask_induced_sink", {Verdict::pass, Verdict::not_applicable}},
    {"variance_scaling", {Verdict::pass, Verdict::not_applicable}},
    {"super_neuron_mediation", {Verdict::pass, Verdict::not_applicable}},
    {"disparity_mediation", {Verdict::pass, Verdict::not_applicable}},
    {"falsification", {Verdict::pass, Verdict::not_applicable}},
    {"falsification_densify", {Verdict::pass, Verdict::not_applicable}},
    {"write_direction", {Verdict::fail, Verdict::not_applicable}},
    {"sink_source", {Verdict::pass, Verdict::not_applicable}},
};

constexpr Sizes kForBlocks{.sequences = kPopulationBlocks};

class OnThePlantedModel : public testing::TestWithParam<std::string> {
 protected:
  static void expect(ExperimentBench& bench, Verdict Expectation::*which) {
    const auto trial = bench.run(GetParam());
    EXPECT_NE(trial.judgement.verdict, Verdict::error) << trial.judgement.reason;
    const auto expected = kExpected.find(GetParam());
    if (expected == kExpected.end()) return;
    EXPECT_EQ(to_string(trial.judgement.verdict), to_string(expected->second.*which)) << trial.judgement.reason;
  }
};

TEST_P(OnThePlantedModel, IsJudgedAsWeKnowItToBe) {
  static ExperimentBench bench(planted_model(1), kForBlocks);
  expect(bench, &Expectation::planted);
}

TEST_P(OnThePlantedModel, IsNotSeenWithoutTheWrite) {
  static ExperimentBench bench(planted_model(0), kForBlocks);
  expect(bench, &Expectation::without);
}

/// A parameter that is declared and never read would be a setting without effect. `named` is read where a model's file
/// names a neuron, and the shape of random inputs, or of prose, perhaps only where a variation is judged on them.
TEST_P(OnThePlantedModel, ReadsEveryParameterThatItDeclares) {
  static ExperimentBench bench(planted_model(1));
  auto unread = bench.run(GetParam()).unread;
  std::erase_if(unread, [](const std::string& key) { return key.starts_with("named."); });
  for (const std::string kind : {"random", "natural"}) {
    const auto of_kind = [&](const std::string& key) { return key.starts_with(kind + "."); };
    if (unread.empty() || !std::ranges::all_of(unread, of_kind)) continue;
    const auto on_kind = bench.run(GetParam(), {"judged_on=" + kind});
    ASSERT_NE(on_kind.judgement.verdict, Verdict::error) << on_kind.judgement.reason;
    std::erase_if(unread,
                  [&](const auto& key) { return std::ranges::find(on_kind.unread, key) == on_kind.unread.end(); });
  }
  EXPECT_EQ(unread, std::vector<std::string>{});
}

/// All but the training claims, which look at models of their own (training_claims_test.cpp).
std::vector<std::string> registered() {
  std::vector<std::string> ids;
  for (const auto& [id, claim] : claim_registry()) {
    if (!claim.trains) ids.push_back(id);
  }
  return ids;
}

INSTANTIATE_TEST_SUITE_P(Claim, OnThePlantedModel, testing::ValuesIn(registered()),
                         [](const auto& info) { return info.param; });

// ---- the claims on it in smaller types --------------------------------------------------------------

/// The planted model with its products in one type.
ExperimentBench& bench_in(at::ScalarType type) {
  static std::map<at::ScalarType, ExperimentBench> benches;
  return benches
      .try_emplace(type, planted_model(1),
                   Sizes{.sequences = 4, .length = 48, .beside = 2, .calibration = 24, .resamples = 2}, 1, type)
      .first->second;
}

/// What the claim's criteria and controls look at, and the model has.
std::set<std::string> judged_metrics(const Judgement& judgement) {
  std::set<std::string> names;
  for (const auto& criterion : judgement.criteria) {
    if (criterion.outcome != Outcome::not_measured) names.insert(criterion.metric);
  }
  for (const auto& control : judgement.controls) {
    if (control.outcome != ControlOutcome::not_measured) names.insert({control.metric, control.of});
  }
  return names;
}

class InSmallerTypes : public testing::TestWithParam<std::string> {};

TEST_P(InSmallerTypes, JudgedMetricsAreNearThoseInFloat32) {
  const auto exact = bench_in(at::kFloat).run(GetParam());
  for (const auto& [type, share] : {std::pair{at::kBFloat16, 0.05}, std::pair{at::kHalf, 0.01}}) {
    const auto smaller = bench_in(type).run(GetParam());
    ASSERT_NE(smaller.judgement.verdict, Verdict::error) << type << ": " << smaller.judgement.reason;
    for (const auto& name : judged_metrics(smaller.judgement)) {
      const double wanted = metric(exact, name);
      EXPECT_NEAR(metric(smaller, name), wanted, share * (std::abs(wanted) + 0.5)) << type << " " << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Claim, InSmallerTypes, testing::ValuesIn(registered()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace replicate
