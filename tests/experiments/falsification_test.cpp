// The claims falsification, falsification_densify and write_direction on planted models of which we know what makes
// their sink.

#include <gtest/gtest.h>

#include "harness/record/settings/parameter_table.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/sink_under_edits.h"
#include "harness/study/measures/super_neuron_writes.h"
#include "harness/study/target.h"
#include "tests/support/experiment_fixture.h"
#include "tests/support/planted_lock.h"

namespace replicate {
namespace {

constexpr Sizes kEnough{.sequences = 32, .length = 64};

Trial judged_on(const std::shared_ptr<const Model>& model, const std::string& claim) {
  ExperimentBench bench(model, kEnough);
  return bench.run(claim);
}

double measured(const Trial& trial, const std::string& name) {
  for (const auto& metric : trial.measurement.metrics) {
    if (metric.name == name) return metric.value;
  }
  ADD_FAILURE() << name << " was not measured: " << trial.judgement.reason;
  return 0;
}

std::vector<double> units(const Trial& trial, const std::string& name) {
  for (const auto& samples : trial.measurement.samples) {
    if (samples.metric == name) return samples.values;
  }
  ADD_FAILURE() << name << " has no samples: " << trial.judgement.reason;
  return {};
}

// ---- falsification ----------------------------------------------------------------------------------

TEST(Falsification, PassesWhereTheWriteMakesTheSink) {
  for (const auto& model : {planted_model(1), planted_lock(Lock::any_large_vector)}) {
    const auto trial = judged_on(model, "falsification");
    EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
    EXPECT_GT(measured(trial, "removed_share_zero"), 0.9);
  }
}

TEST(Falsification, FailsWhereABackupNeuronTakesOver) {
  const auto trial = judged_on(planted_model(1, 1, Circuit::backup), "falsification");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_LT(measured(trial, "removed_share_zero"), 0.5);
}

TEST(Falsification, ItsControlFiresWhereAnyPushCostsTheSink) {
  const auto trial = judged_on(planted_lock(Lock::undisturbed), "falsification");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  ASSERT_EQ(trial.judgement.controls.size(), 1U);
  EXPECT_EQ(trial.judgement.controls.front().outcome, ControlOutcome::fires);
  EXPECT_EQ(trial.judgement.criteria.front().outcome, Outcome::pass) << trial.judgement.reason;
}

TEST(Falsification, NeedsASpikeWithASink) {
  for (const auto* claim : {"falsification", "falsification_densify", "write_direction"}) {
    const auto trial = judged_on(planted_model(0), claim);
    EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable) << claim;
    EXPECT_NE(trial.judgement.reason.find("no spike with a sink after it"), std::string::npos) << claim;
  }
}

/// Attention to position 0, mean over the layers after the planted spike, with the planted neuron as it is or silent.
Tensor attention_to_first(const std::shared_ptr<const Model>& model, const Tokens& tokens, std::vector<Patch> patches) {
  const auto columns = watch_columns({0});
  run({{model, tokens, std::move(patches), {columns}}}, {});
  return attention_to(columns->layers().select(2, 0), 0, tokens->length()).slice(1, kPlantedSpike).mean(1);
}

TEST(Falsification, RemovalIsTheAttentionThatGoes) {
  const auto model = planted_model(1);
  ExperimentBench bench(model, kEnough);
  const auto trial = bench.run("falsification");
  const auto tokens = bench.maker().make(InputKind::natural, {16, kEnough.length});
  const AffinePatch silent{Site::hidden, {kPlantedSpike, kPlantedSpike}, {0}, {kPlantedNeuron}, 0, {}};
  const auto before = attention_to_first(model, tokens, {}), after = attention_to_first(model, tokens, {silent});
  const auto removal_of = units(trial, "removal_zero"), beyond = units(trial, "removal_zero_beyond_half");
  ASSERT_EQ(removal_of.size(), 16U);
  for (int64_t b = 0; b < 16; ++b) {
    const double was = before[b].item<double>(), is = after[b].item<double>();
    EXPECT_NEAR(removal_of[b], was - is, 1e-5) << b;
    EXPECT_NEAR(beyond[b], was - is - 0.5 * was, 1e-5) << b;
  }
}

// ---- falsification_densify --------------------------------------------------------------------------

TEST(FalsificationDensify, PassesWhereOneAxisIsRead) {
  const auto trial = judged_on(planted_model(1), "falsification_densify");
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
}

TEST(FalsificationDensify, FailsWhereAnyLargeVectorIsASink) {
  const auto trial = judged_on(planted_lock(Lock::any_large_vector), "falsification_densify");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::contradicts);
  EXPECT_LT(measured(trial, "removed_share_densify"), 0.2);
}

TEST(FalsificationDensify, ItsControlFiresWhereTheSinkOutlivesTheWrite) {
  const auto model = planted_lock(Lock::axis_or_cause);
  ExperimentBench bench(model, kEnough);
  // A dense direction keeps the sink by luck in every fourth sequence.
  const auto trial = bench.run("falsification_densify", {"natural.sequences=128"});
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.criteria.front().outcome, Outcome::pass) << trial.judgement.reason;
  ASSERT_EQ(trial.judgement.controls.size(), 1U);
  EXPECT_EQ(trial.judgement.controls.front().outcome, ControlOutcome::fires);
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent);
  EXPECT_EQ(judged_on(model, "falsification").judgement.bearing, Bearing::contradicts);
}

/// Its dominance does not fall where a second neuron writes into the axis as well.
TEST(FalsificationDensify, SaysSoWhereTheVectorStaysSparse) {
  const auto trial = judged_on(planted_model(1, 1, Circuit::backup), "falsification_densify");
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_NE(trial.judgement.reason.find("did not take"), std::string::npos) << trial.judgement.reason;
}

// ---- write_direction --------------------------------------------------------------------------------

TEST(WriteDirection, PassesWhereEveryAxisIsReadAlike) {
  ExperimentBench bench(planted_lock(Lock::any_axis), kEnough);
  // A dense direction keeps the sink by luck in every fourth sequence.
  const auto trial = bench.run("write_direction", {"natural.sequences=128"});
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
}

TEST(WriteDirection, ContradictsWhereAnyLargeVectorIsASink) {
  const auto trial = judged_on(planted_lock(Lock::any_large_vector), "write_direction");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::contradicts);
}

TEST(WriteDirection, IsSilentWhereTheTrainedDirectionCounts) {
  const auto trial = judged_on(planted_model(1), "write_direction");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent);
  EXPECT_GT(measured(trial, "removed_share_relocate"), 0.8);
}

/// The sink stays because another neuron puts the spike back, which says nothing of the vector that was written.
TEST(WriteDirection, SaysSoWhereTheSpikeIsWrittenAgain) {
  const auto trial = judged_on(planted_model(1, 1, Circuit::backup), "write_direction");
  EXPECT_EQ(trial.judgement.verdict, Verdict::inconclusive);
  EXPECT_EQ(trial.judgement.bearing, Bearing::silent);
  EXPECT_NE(trial.judgement.reason.find("did not take"), std::string::npos) << trial.judgement.reason;
}

TEST(WriteDirection, ItsControlFiresWhereTheSinkOutlivesTheWrite) {
  ExperimentBench bench(planted_lock(Lock::axis_or_cause), kEnough);
  const auto trial = bench.run("write_direction", {"natural.sequences=128"});
  ASSERT_EQ(trial.judgement.controls.size(), 1U) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.controls.front().outcome, ControlOutcome::fires);
}

TEST(WriteDirection, NeedsAnotherDimensionThatIsRead) {
  const auto trial = judged_on(planted_lock(Lock::one_axis), "write_direction");
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_NE(trial.judgement.reason.find("no other dimension"), std::string::npos) << trial.judgement.reason;
}

// ---- the edits --------------------------------------------------------------------------------------

const std::vector<int64_t> kNeurons{kPlantedNeuron, 3, 90};

Condition on_planted(int64_t sequences) {
  InputMaker maker(letter_tokenizer(200), 200, {random_prose()}, 3);
  return {maker.make(InputKind::natural, {sequences, 32}), planted_model(1), ""};
}

Stage planted_stage() { return {{{.spike = kPlantedSpike, .neurons = kNeurons}}, {3, 4, 5, 6}}; }

/// The columns of W_down as the edit leaves them, by sequence: [B, neurons, D].
Tensor edited_columns(const Condition& on, const EditOfSpike& edit) {
  const auto patch = std::get<WriteEdit>(edit(planted_stage().writers.front()));
  const auto down = on.model->weights->block(kPlantedSpike).down;
  std::vector<Tensor> sequences;
  for (const auto& list : patch.delta) {
    std::vector<Tensor> columns;
    for (size_t n = 0; n < kNeurons.size(); ++n) {
      columns.push_back(down.select(1, kNeurons[n]) + at::tensor(list[n], at::kFloat));
    }
    sequences.push_back(at::stack(columns));
  }
  return at::stack(sequences);
}

TEST(SuperNeuronWrites, DensifyTurnsTheColumnsTogether) {
  const auto on = on_planted(6);
  const auto down = on.model->weights->block(kPlantedSpike).down;
  const auto before = down.index_select(1, at::tensor(kNeurons, at::kLong)).t();
  const auto after = edited_columns(on, densify(on, 1));
  ASSERT_EQ(after.size(0), 6);
  for (int64_t b = 0; b < 6; ++b) {
    const auto products = at::matmul(after[b], after[b].t());
    EXPECT_LT((products - at::matmul(before, before.t())).abs().max().item<double>(), 1e-3) << b;
    EXPECT_LT((after[b][0].abs().max() / after[b][0].norm()).item<double>(), 0.6) << b;
    if (b == 0) continue;
    EXPECT_LT(at::cosine_similarity(after[b][0], after[0][0], 0).abs().item<double>(), 0.6) << b;
  }
  EXPECT_TRUE(at::equal(after.slice(0, 0, 2), edited_columns(on_planted(2), densify(on_planted(2), 1))));
  EXPECT_FALSE(at::equal(after, edited_columns(on, densify(on, 2))));
}

/// Every direction is as likely: no mean is left of many.
TEST(SuperNeuronWrites, DensifyHasNoPreferredDirection) {
  const auto on = on_planted(600);
  const auto first = edited_columns(on, densify(on, 1)).select(1, 0);  // [B, D]
  const auto unit = first / first.norm(2, {1}, true);
  EXPECT_LT(unit.mean(0).norm().item<double>(), 2 / std::sqrt(600.0));
  EXPECT_LT((unit.square().mean(0) * 64 - 1).abs().max().item<double>(), 0.3);
}

TEST(SuperNeuronWrites, RelocateMovesEachColumnToADimensionThatIsReadAlike) {
  const auto on = on_planted(20);
  const auto down = on.model->weights->block(kPlantedSpike).down;
  const auto reader = on.model->weights->block(kPlantedSpike + 1);
  const auto reading = reader.attention_norm * reader.key.norm(2, {0});
  const auto after = edited_columns(on, relocate(on, planted_stage(), 1));
  std::set<int64_t> places;
  for (int64_t b = 0; b < 20; ++b) {
    for (size_t n = 0; n < kNeurons.size(); ++n) {
      const auto old_column = down.select(1, kNeurons[n]), column = after[b][static_cast<int64_t>(n)];
      const auto old_place = old_column.abs().argmax().item<int64_t>(), place = column.abs().argmax().item<int64_t>();
      EXPECT_NE(place, old_place);
      EXPECT_NEAR(column[place].item<double>(),
                  old_column.norm().item<double>() * (old_column[old_place].item<double>() > 0 ? 1 : -1), 1e-3);
      EXPECT_LT((column.norm() - column[place].abs()).abs().item<double>(), 1e-3);
      const auto factor = (reading[place] / reading[old_place]).item<double>();
      EXPECT_TRUE(factor >= 0.5 && factor <= 2) << factor;
      if (n == 0) places.insert(place);
    }
  }
  EXPECT_GT(places.size(), 5U);
}

/// Where position 0 is after each spike's layer, when two are edited: each time half as far from where it would be
/// without the latest edit as that edit moves it, so the earlier vector is not taken back.
TEST(SuperNeuronWrites, ARandomVectorAtALaterSpikeKeepsTheEarlierOne) {
  const auto on = on_planted(6);
  const Stage stage{{{.spike = 2, .neurons = {kPlantedNeuron}}, {.spike = 4, .neurons = {5, 9}}}, {3, 5, 6}};
  Claim claim(Context(Parameters(ParameterTable(Yaml::parse("{random_vector_length: 0.5}", "test")), "test")));
  const auto residual = [&](std::vector<Patch> patches) {
    return claim.run(on, std::move(patches)).add(watch(Site::block_output, [](const Tensor& x) { return x; }));
  };
  const auto untouched = residual({});
  const auto both = residual(random_vectors(claim, on, stage, 0, {}, zero_write));
  const auto zeroed = residual({zero_write(stage.writers[0])});
  run(claim.plan(), {});
  const auto distance = [](const std::shared_ptr<Watch>& a, const std::shared_ptr<Watch>& b, int64_t layer) {
    return (a->layer(layer) - b->layer(layer)).select(1, 0).norm(2, {-1});  // [B]
  };
  const auto moved = distance(both, untouched, 2), expected = distance(zeroed, untouched, 2);
  EXPECT_LT((moved / expected - 0.5).abs().max().item<double>(), 1e-4);
  EXPECT_GT((distance(both, untouched, 4) / expected).min().item<double>(), 0.25);
  EXPECT_LT((distance(both, untouched, 4) / expected).max().item<double>(), 2);
}

// ---- disappear or shift -----------------------------------------------------------------------------

/// The planted model, with these positions made sinks by letting them see only themselves.
std::optional<int64_t> shift_where_masked(const std::vector<int64_t>& positions, int64_t queries = 16,
                                          double sink_excess = 0.2) {
  const Condition on{InputMaker(letter_tokenizer(200), 200, {random_prose()}, 3).make(InputKind::natural, {6, 64}),
                     planted_model(1), ""};
  Plan plan{{on.model, on.tokens, {}, {}, {}}, {on.model, on.tokens, {}, {}, {}}};
  for (const auto position : positions) plan[1].patches.push_back(only_itself(position, {1, 6}));
  const auto untouched = watch_sink(Run(plan, 0), on, {3, 4, 5, 6}, queries, sink_excess);
  const auto masked = watch_sink(Run(plan, 1), on, {3, 4, 5, 6}, queries, sink_excess);
  run(plan, {});
  return shifted_to(untouched, masked);
}

TEST(ShiftedSink, IsFoundWhereItWent) {
  EXPECT_EQ(shift_where_masked({}), std::nullopt);
  EXPECT_EQ(shift_where_masked({10}), 10);
}

TEST(ShiftedSink, HasTheExcessAttentionOfTheSurveysRule) { EXPECT_EQ(shift_where_masked({10}, 16, 0.6), std::nullopt); }

TEST(ShiftedSink, MustBeSeenByEnoughQueries) {
  EXPECT_EQ(shift_where_masked({50}), std::nullopt);
  EXPECT_EQ(shift_where_masked({50}, 8), 50);
}

}  // namespace
}  // namespace replicate
