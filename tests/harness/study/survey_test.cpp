#include "harness/record/survey.h"

#include <gtest/gtest.h>

#include "harness/study/measures/sink_probes.h"
#include "tests/support/expect_error.h"

namespace replicate {
namespace {

using Layers = std::vector<int64_t>;

TEST(FindSinks, NamesSinkLayersSpikesAndTheDominantOne) {
  const std::vector<double> excess{0.0, 0.1, 0.3, 0.2, 0.1, 0.6};
  const std::vector<double> first{10, 10, 60, 60, 60, 900, 900}, rest(7, 10.0);
  const auto profile = find_sinks(excess, first, rest, 0.2);
  EXPECT_EQ(profile.sink_layers, (Layers{3, 4, 6}));
  EXPECT_EQ(profile.onset_layer(), 3);
  ASSERT_EQ(profile.spikes.size(), 2U);
  EXPECT_EQ(profile.spikes[0].layer, 2);
  EXPECT_DOUBLE_EQ(profile.spikes[0].growth, 6);
  EXPECT_EQ(profile.spikes[1].layer, 5);
  EXPECT_DOUBLE_EQ(profile.spikes[1].norm_added, 840);
  EXPECT_EQ(profile.dominant_spike, 5);
  EXPECT_EQ(profile.last_spike(), 5);
  EXPECT_EQ(profile.sink_layers_after(3), (Layers{4, 6}));
}

TEST(FindSinks, GrowthAloneOrSizeAloneIsNoSpike) {
  const std::vector<double> excess(2, 0.0), rest(3, 1.0);
  EXPECT_TRUE(find_sinks(excess, std::vector<double>{1, 4.9, 4.9}, rest, 0.2).spikes.empty());
  EXPECT_TRUE(find_sinks(excess, std::vector<double>{6, 11.9, 20}, rest, 0.2).spikes.empty());
  EXPECT_EQ(find_sinks(excess, std::vector<double>{2.5, 5, 5}, rest, 0.2).spikes.size(), 1U);
}

TEST(FindSinks, NothingFoundIsZero) {
  const auto profile =
      find_sinks(std::vector<double>(2, 0.19), std::vector<double>(3, 1.0), std::vector<double>(3, 1.0), 0.2);
  EXPECT_EQ(profile.onset_layer(), 0);
  EXPECT_EQ(profile.dominant_spike, 0);
  EXPECT_EQ(profile.last_spike(), 0);
}

TEST(FindSinks, TakesTheRulesExcessAttention) {
  const std::vector<double> excess{0.1, 0.2, 0.3}, norm(4, 1.0);
  EXPECT_EQ(find_sinks(excess, norm, norm, 0.25).sink_layers, (Layers{3}));
  EXPECT_EQ(find_sinks(excess, norm, norm, 0.1).onset_layer(), 1);
}

bool follows(const std::vector<double>& excess, const std::vector<double>& first) {
  const std::vector<double> rest(first.size(), 1.0);
  return onset_follows_spike(find_sinks(excess, first, rest, 0.2), first, rest);
}

TEST(OnsetFollowsSpike, InTheLayerBehindItOrInALopsidedOneItself) {
  EXPECT_TRUE(follows({0, 0, 0.5}, {1, 1, 10, 10}));          // spike 2, onset 3
  EXPECT_FALSE(follows({0, 0.5, 0.5}, {1, 1, 10, 10}));       // onset 2: its input is still even
  EXPECT_TRUE(follows({0, 0.5, 0.5}, {1, 2, 10, 10}));        // onset 2: its input already lopsided
  EXPECT_FALSE(follows({0, 0, 0, 0.5}, {1, 1, 10, 10, 10}));  // two layers late
  EXPECT_FALSE(follows({0.5, 0.5}, {1, 1, 1}));               // no spike
  EXPECT_FALSE(follows({0, 0}, {1, 10, 10}));                 // no sink
}

TEST(Survey, SurvivesItsFile) {
  Survey survey;
  survey.key = "abc";
  survey.sinks = {{4, 5}, {{3, 2.5, 100}, {12, 160, 20000}}, 12};
  const auto read = survey_from_json(survey_to_json(survey), "survey.json");
  EXPECT_EQ(read.key, "abc");
  EXPECT_EQ(read.sinks.sink_layers, survey.sinks.sink_layers);
  EXPECT_EQ(read.sinks.dominant_spike, 12);
  EXPECT_DOUBLE_EQ(read.sinks.spikes[1].growth, 160);
  EXPECT_THROW(survey_from_json("{\"key\": 3}", "survey.json"), Error);
  EXPECT_THROW(survey_from_json("", "survey.json"), Error);
}

Survey with_writers() {
  Survey survey;
  survey.key = "abc";
  survey.sinks = {{4, 5}, {{3, 2.5, 100}, {12, 160, 20000}}, 12};
  survey.writers = {{3, {90, 701}, false, {5, 6}, {507, 247, 1, 2}, {9, 8, 7, 6}},
                    {12, {1229}, true, {40}, {507, 3, 4, 5}, {11, 12, 13, 14}}};
  survey.stages = {{.spike = 3, .first = 4, .last = 10, .sinks = {4, 5}}, {.spike = 12, .first = 13, .last = 30}};
  survey.stage_writers = {{3, {90}, true, {507, 1}}, {12, {1229, 3}, false, {507, 3}}};
  survey.writers_apart = {.spike = 7, .neurons = {5, 6}, .by_rule = false, .dimensions = {1}};
  survey.ratio = {1, 2, 1.0 / 3};
  survey.rest_norm = {0.1, 30, 4};
  survey.excess = {0.01, 0.7};
  survey.sink_excess = 0.3;
  return survey;
}

TEST(Survey, WritersSurviveItsFile) {
  const auto survey = with_writers();
  const auto read = survey_from_json(survey_to_json(survey), "survey.json");
  ASSERT_EQ(read.writers.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read.writers[i].layer, survey.writers[i].layer);
    EXPECT_EQ(read.writers[i].neurons, survey.writers[i].neurons);
    EXPECT_EQ(read.writers[i].by_criteria, survey.writers[i].by_criteria);
    EXPECT_EQ(read.writers[i].matched_neurons, survey.writers[i].matched_neurons);
    EXPECT_EQ(read.writers[i].dimensions, survey.writers[i].dimensions);
    EXPECT_EQ(read.writers[i].matched_dimensions, survey.writers[i].matched_dimensions);
  }
  EXPECT_EQ(survey_to_json(read), survey_to_json(survey));
  EXPECT_EQ(read.stages[0].sinks, (Layers{4, 5}));
  EXPECT_EQ(read.stages[1].last, 30);
  EXPECT_EQ(read.stage_writers_of(12).neurons, (Layers{1229, 3}));
  EXPECT_FALSE(read.stage_writers_of(12).by_rule);
  ASSERT_TRUE(read.writers_apart);
  EXPECT_EQ(read.writers_apart->spike, 7);
  EXPECT_EQ(read.writers_apart->neurons, (Layers{5, 6}));
  EXPECT_EQ(read.ratio, survey.ratio);
  EXPECT_EQ(read.sink_excess, 0.3);
  EXPECT_EQ(read.writers_of(12).neurons, (Layers{1229}));
}

TEST(Survey, NamesNoWritersOfALayerThatIsNoSpike) {
  const auto survey = with_writers();
  expect_error([&] { survey.writers_of(4); }, "layer 4 is not a spike");
  expect_error([&] { survey.stage_writers_of(4); }, "layer 4 is not a stage's spike");
  expect_error([&] { Survey().writers_of(0); }, "not a spike");
}

/// The runner makes a survey again whose key is not the one it wants; an empty one never is.
TEST(Survey, OfAnOlderVersionIsMadeAgain) {
  auto text = survey_to_json(with_writers());
  const std::string now = "\"schema\": 5";
  ASSERT_NE(text.find(now), std::string::npos);
  text.replace(text.find(now), now.size(), "\"schema\": 1");
  const auto read = survey_from_json(text, "survey.json");
  EXPECT_TRUE(read.key.empty());
  EXPECT_TRUE(read.sinks.sink_layers.empty());
  EXPECT_TRUE(read.writers.empty());
  EXPECT_TRUE(survey_from_json("{\"schema\": 1, \"key\": \"abc\"}", "survey.json").key.empty());
}

TEST(Survey, DamagedFilesAreNamed) {
  expect_error([] { survey_from_json("[]", "survey.json"); }, "not a survey");
  auto text = survey_to_json(with_writers());
  text.replace(text.find("by_criteria"), 11, "by_criterio");
  expect_error([&] { survey_from_json(text, "survey.json"); }, "not a survey");
}

/// Experiments make room for as many layers as it names.
TEST(Survey, OfLayersThatNoModelHasIsNone) {
  const auto refused = [](auto change) {
    auto survey = with_writers();
    change(survey);
    expect_error([&] { survey_from_json(survey_to_json(survey), "survey.json"); }, "not a survey");
  };
  refused([](Survey& survey) { survey.sinks.sink_layers = {4, 10'000'000'000}; });
  refused([](Survey& survey) { survey.sinks.sink_layers = {0, 4}; });
  refused([](Survey& survey) { survey.sinks.sink_layers = {5, 4}; });
  refused([](Survey& survey) { survey.sinks.dominant_spike = 5; });
  refused([](Survey& survey) { survey.sinks.spikes[0].layer = -3; });
  refused([](Survey& survey) { survey.writers[1].layer = INT64_MAX; });
  refused([](Survey& survey) { survey.writers[0].neurons = {-1}; });
  refused([](Survey& survey) { survey.writers[0].matched_dimensions = {INT64_MAX}; });
  refused([](Survey& survey) { survey.stage_writers[0].spike = 0; });
  refused([](Survey& survey) { survey.stage_writers[0].dimensions = {-1}; });
  refused([](Survey& survey) { survey.writers_apart->spike = 0; });
  refused([](Survey& survey) { survey.stages[0].first = 6; });
  refused([](Survey& survey) { survey.stages[0].last = 3; });
  refused([](Survey& survey) { survey.stages[0].sinks = {0}; });
  expect_error([] { survey_from_json(std::string(100'000, '[') + std::string(100'000, ']'), "survey.json"); },
               "not a survey");
}

TEST(ExcessAttention, IsZeroForUniformAndOneForAll) {
  const int64_t length = 50;
  const auto uniform = 1 / at::arange(1, length + 1, at::kDouble);
  EXPECT_NEAR(excess_attention(uniform, 0, length).item<double>(), 0, 1e-12);
  EXPECT_NEAR(excess_attention(at::ones({length}, at::kDouble), 0, length).item<double>(), 1, 1e-12);
  EXPECT_NEAR(uniform_attention(0, 3), (1.0 / 2 + 1.0 / 3) / 2, 1e-12);
  EXPECT_NEAR(uniform_attention(1, 4), (1.0 / 3 + 1.0 / 4) / 2, 1e-12);
}

TEST(ExcessAttention, AveragesTheQueriesBehindTheKeyOnly) {
  const auto column = at::tensor({9.0, 9.0, 9.0, 0.5, 0.25, 7.0});
  EXPECT_DOUBLE_EQ(attention_to(column, 2, 5).item<double>(), 0.375);
  EXPECT_ANY_THROW(attention_to(column, 4, 5));
  EXPECT_ANY_THROW(attention_to(column, 0, 7));
}

TEST(WatchNorms, GivesFirstMeanAndMedian) {
  auto hidden = at::zeros({1, 5, 2});
  for (int64_t t = 0; t < 5; ++t) hidden[0][t][1] = std::vector<float>{9, 1, 2, 4, 9}[t];
  const auto probe = watch_norms();
  probe->observe({0, 1, 0}, Site::block_input, hidden);
  EXPECT_TRUE(at::allclose(probe->layer(1), at::tensor({9.0, 4.0, 3.0}).view({1, 3})));
}

}  // namespace
}  // namespace replicate
