#include "harness/study/claim.h"

#include <gtest/gtest.h>

#include <set>

#include "harness/record/settings/parameter_table.h"
#include "harness/study/target.h"
#include "models/core/watch.h"
#include "tests/support/expect_error.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

void no_claim(Claim&) {}

Parameters parameters(const std::string& yaml) {
  return {ParameterTable(Yaml::parse(yaml, "claim.yaml")), "claim.yaml"};
}

TEST(ClaimRegistry, RefusesASecondClaimOfOneId) {
  expect_error([] { register_claim("sink_onset", &no_claim, {}); },
               "two claims are registered under the id 'sink_onset'");
}

TEST(ClaimRegistry, RefusesParametersThatNoClaimReads) {
  const auto check = [](const std::string& yaml) { check_parameters("falsification", parameters(yaml)); };
  check("{natural: {sequences: 8, length: 128}, random: {sequences: 8, length: 64}, queries: 16}");
  check("{queries: 16}");  // what a claim needs and lacks is named when it is read
  expect_error([&] { check("{querys: 16}"); },
               "no claim reads the parameter 'querys' (claim.yaml): did you mean 'queries'?");
  expect_error([&] { check("{natural: {lenght: 128}}"); }, "did you mean 'natural.length'?");
  expect_error([&] { check("{null_model: {sequences: 8}}"); }, "no claim reads the parameter 'null_model.sequences'");
  expect_error([&] { check("{natural: 8}"); }, "no claim reads the parameter 'natural'");
}

/// Both ways: a declared parameter that a claim's YAML lacks could not be set.
TEST(ClaimRegistry, DeclaresTheParametersOfEveryClaimsYaml) {
  const auto settings = resolve(load_settings({.configs = std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs",
                                               .assets = "",
                                               .profile = "cpu",
                                               .model = "smollm2-null",
                                               .only = "",
                                               .overrides = {},
                                               .seed = std::nullopt}));
  EXPECT_EQ(settings.claims.size(), claim_registry().size());
  for (const auto& claim : settings.claims) {
    EXPECT_NO_THROW(check_parameters(claim.id, claim.parameters)) << claim.id;
    EXPECT_EQ(claim_registry().at(claim.id).trains, !claim.arms.empty()) << claim.id;
    EXPECT_TRUE(claim_registry().at(claim.id).judged) << claim.id << " is described and has no function";
    for (const auto& key : claim_registry().at(claim.id).parameters)
      EXPECT_TRUE(claim.parameters.has(key)) << claim.id << " " << key;
  }
}

// ---- one call ---------------------------------------------------------------------------------------

constexpr int64_t kClaimSequences = 3, kClaimLength = 8;

Tokens some_tokens() {
  return make_tokens(
      at::arange(kClaimSequences * kClaimLength, at::kLong).remainder(20).view({kClaimSequences, kClaimLength}),
      "natural");
}

Context small_context() {
  Context context(parameters("{}"));
  context.model = small_model();
  context.given = some_tokens();
  context.bootstrap = {20, 1};
  return context;
}

Tensor norm_of_first(const Tensor& hidden) {
  return at::linalg_vector_norm(hidden.select(1, 0), 2, {-1}, false, at::kDouble);
}

/// Measures the first position's norm, and then needs a sink.
void needs_a_sink(Claim& claim) {
  const auto on = claim.primary();
  const auto norm = claim.run(on).add(watch(Site::block_input, norm_of_first));
  claim.report([=](Measure& measure) { measure.mean("before", on, norm->layer(1)); });
  const auto sinks = claim.sinks();
  claim.report([=](Measure& measure) { measure.value("sinks", on, static_cast<double>(sinks.size())); });
}

void describes(Claim& claim) {
  const auto on = claim.primary();
  const auto norm = claim.run(on).add(watch(Site::block_input, norm_of_first));
  claim.report([=](Measure& measure) { measure.mean("described", on, norm->layer(2)); });
}

std::vector<std::string> names(const Measurement& measurement) {
  std::vector<std::string> all;
  for (const auto& metric : measurement.metrics) all.push_back(metric.name);
  return all;
}

Measurement measured(Context context) {
  const auto claim = declare_claim({.judged = needs_a_sink, .described = {describes}}, std::move(context));
  run(claim->plan(), {});
  return claim->measure();
}

TEST(Claim, ReportsWhatItDeclaredBeforeAnUnmetPrecondition) {
  const auto measurement = measured(small_context());
  EXPECT_EQ(names(measurement), (std::vector<std::string>{"before", "described"}));
  EXPECT_EQ(measurement.unmet, "no sink: the survey found no layer with excess attention to position 0");
}

TEST(Claim, IsDescribedOnlyWhereMoreThanTheJudgedIsWanted) {
  auto context = small_context();
  context.survey.sinks.sink_layers = {2, 3};
  EXPECT_EQ(names(measured(context)), (std::vector<std::string>{"before", "sinks", "described"}));
  context.reports_others = false;
  const auto varied = measured(context);
  EXPECT_EQ(names(varied), (std::vector<std::string>{"before", "sinks"}));
  EXPECT_EQ(varied.unmet, std::nullopt);
}

void needs_a_spike(Claim& claim) {
  claim.dominant_stage();
  claim.report([](Measure& measure) { measure.note("never"); });
}

TEST(Claim, KeepsItsVerdictWhereWhatDescribesItIsUnmet) {
  auto context = small_context();
  context.survey.sinks.sink_layers = {2, 3};
  const auto claim = declare_claim({.judged = needs_a_sink, .described = {needs_a_spike}}, context);
  run(claim->plan(), {});
  const auto measurement = claim->measure();
  EXPECT_EQ(measurement.unmet, std::nullopt);
  EXPECT_EQ(names(measurement), (std::vector<std::string>{"before", "sinks"}));
  EXPECT_TRUE(measurement.notes.empty());
}

Recording heads_at(int64_t position) { return {{}, Site::head_output, {1, 2}, {position}}; }

/// What two patches need of equal passes is kept once, and a pass that differs keeps its own.
TEST(Claim, NamesOneRecordingOfEqualPassesOnce) {
  Claim claim(small_context());
  const auto on = claim.primary();
  auto first = claim.run(on), again = claim.run(on), masked = claim.run(on, {only_itself(5, {1, 2})});
  const auto name = first.record(heads_at(3));
  EXPECT_FALSE(name.empty());
  EXPECT_EQ(first.record(heads_at(3)), name);
  EXPECT_EQ(again.record(heads_at(3)), name);
  const std::set<std::string> others{first.record(heads_at(4)), masked.record(heads_at(3)), name};
  EXPECT_EQ(others.size(), 3U) << "another position or another pass is another recording";
  EXPECT_EQ(first.record({"mine", Site::head_output, {1, 2}, {3}}), "mine");
  size_t kept = 0;
  for (const auto& lane : claim.plan()) kept += lane.recordings.size();
  EXPECT_EQ(kept, 4U);
}

TEST(Claim, MakesAPreconditionThatAReportAsksForItsError) {
  Claim claim(small_context());
  claim.declare([](Claim& called) { called.report([&called](Measure&) { called.sinks(); }); });
  EXPECT_THROW(claim.measure(), std::exception);
}

TEST(Claim, SaysInOneSentenceWhatAModelLacks) {
  struct Case {
    SinkProfile sinks;
    std::string why;
  };
  const std::vector<Case> cases = {
      {{}, "no sink: the survey found no layer with excess attention to position 0"},
      {{{3}, {}, 0}, "no spike: no layer blows up the norm of position 0"},
      {{{1, 2}, {{2, 10, 100}}, 2}, "no sink after the dominant spike in layer 2"},
      {{{2, 3}, {{2, 10, 100}}, 2}, ""},
  };
  for (const auto& [sinks, why] : cases) {
    auto context = small_context();
    context.survey.sinks = sinks;
    context.survey.writers.resize(1);
    context.survey.writers.front().layer = 2;
    Claim claim(context);
    std::vector<int64_t> after;
    claim.declare([&](Claim& called) { after = called.dominant_stage().sinks; });
    EXPECT_EQ(claim.measure().unmet.value_or(""), why);
    EXPECT_EQ(after, why.empty() ? std::vector<int64_t>{3} : std::vector<int64_t>{});
  }
}

Context two_stages() {
  auto context = small_context();
  context.survey.sinks.sink_layers = {2, 3, 5};
  context.survey.stages = {{.spike = 1, .first = 2, .last = 3, .sinks = {2, 3}},
                           {.spike = 4, .first = 5, .last = 5, .sinks = {5}}};
  context.survey.stage_writers = {{.spike = 1, .neurons = {7}}, {.spike = 4, .neurons = {8, 9}}};
  return context;
}

TEST(Claim, IsBoundToOneStageOrToAllTogether) {
  auto context = two_stages();
  Claim unbound(context);
  unbound.declare([](Claim& called) { called.stage(); });
  EXPECT_EQ(unbound.measure().unmet, "no spike with a sink after it");
  context.stages = {context.survey.stages[1]};
  const auto one = Claim(context).stage();
  EXPECT_EQ(one.sinks, (std::vector<int64_t>{5}));
  EXPECT_EQ(one.first_spike(), 4);
  EXPECT_EQ(one.writers.front().neurons, (std::vector<int64_t>{8, 9}));
  context.stages = context.survey.stages;
  const auto all = Claim(context).stage();
  EXPECT_EQ(all.sinks, (std::vector<int64_t>{2, 3, 5}));
  EXPECT_EQ(all.first_spike(), 1);
  EXPECT_EQ(all.last_spike(), 4);
}

/// A table: the stages of a call, and the spike that its metrics name.
TEST(Claim, NamesItsStageInWhatIsJudgedAndNotInWhatIsDescribed) {
  const auto stages = two_stages().survey.stages;
  const std::vector<std::pair<std::vector<SinkStage>, std::optional<int64_t>>> cases = {
      {{}, std::nullopt}, {{stages[0]}, 1}, {{stages[1]}, 4}, {stages, 0}};
  for (const auto& [bound, spike] : cases) {
    auto context = two_stages();
    context.stages = bound;
    const auto measurement = measured(context);
    ASSERT_EQ(names(measurement), (std::vector<std::string>{"before", "sinks", "described"}));
    for (const auto& metric : measurement.metrics) {
      const bool placed = spike && metric.name != "described";
      EXPECT_EQ(metric.where.contains("spike"), placed) << metric.name;
      if (placed) {
        EXPECT_EQ(metric.where.at("spike"), *spike);
      }
    }
  }
}

TEST(Claim, PassesOnWhatItsFunctionThrows) {
  Claim claim(small_context());
  expect_error([&] { claim.declare([](Claim&) { throw Error("a slip", "here", "mend it"); }); }, "a slip (here)");
}

TEST(TrainingClaim, NeedsSomethingTrained) {
  expect_error([] { TrainingClaim claim(small_context()); }, "nothing was trained");
}

}  // namespace
}  // namespace replicate
