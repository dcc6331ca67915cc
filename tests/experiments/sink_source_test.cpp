// The claim sink_source on planted models of which we know what makes the sink: the position, some tokens, or BOS.

#include <gtest/gtest.h>

#include <boost/math/distributions/binomial.hpp>

#include "base/mean_test.h"
#include "harness/study/measures/sink_probes.h"
#include "tests/support/planted_tokens.h"

namespace replicate {
namespace {

constexpr Sizes kSourceSizes{.sequences = 16, .length = 64};
TEST(SinkSource, PassesWhereThePositionSuffices) {
  const auto trial = ExperimentBench(planted_model(1), kSourceSizes).run("sink_source");
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::supports);
  EXPECT_EQ(metric_in(trial, "excess_without_bos").where.at("spike"), kPlantedSpike);
}

TEST(SinkSource, FailsWhereSomeTokensAloneStayShort) {
  const auto trial = ExperimentBench(with_blank_unspelled(), kSourceSizes).run("sink_source");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "long_when_alone"), Outcome::fail);
  EXPECT_EQ(criterion_in(trial, "excess_without_bos"), Outcome::pass);
  EXPECT_NEAR(metric_in(trial, "long_when_alone").value, static_cast<double>(kFirstUnspelled) / kPlantedBos, 0.05);
}

TEST(SinkSource, FailsWhereTheSinkBelongsToBos) {
  auto sizes = kSourceSizes;
  sizes.bos = true;  // so that the survey finds the stage
  const auto trial = ExperimentBench(planted_sink_at_bos(), sizes).run("sink_source");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(trial.judgement.bearing, Bearing::contradicts);
  for (const auto* name : {"long_when_alone", "excess_without_bos", "excess_without_bos_beyond_share"}) {
    EXPECT_EQ(criterion_in(trial, name), Outcome::fail) << name;
  }
}

TEST(SinkSource, FailsWhereItDrawsLessThanItsShareOfBos) {
  const auto trial = ExperimentBench(planted_model(1), kSourceSizes).run("sink_source", {"share_of_bos=2"});
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "excess_without_bos"), Outcome::pass);
  EXPECT_EQ(criterion_in(trial, "excess_without_bos_beyond_share"), Outcome::fail);
}

TEST(SinkSource, IsJudgedByTheRestWhereTheVocabularyHasNoBos) {
  auto trial = ExperimentBench(planted_model(1), kSourceSizes).run("sink_source");
  std::erase_if(trial.measurement.metrics,
                [](const Metric& metric) { return metric.name == "excess_without_bos_beyond_share"; });
  EXPECT_EQ(judge(trial.measurement, trial.judging, at_spike(kPlantedSpike)).verdict, Verdict::pass);
}

TEST(SinkSource, IsNotApplicableWithoutAStage) {
  const auto trial = ExperimentBench(planted_model(1, 1, Circuit::sink_without_spike), kSourceSizes).run("sink_source");
  EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
  EXPECT_EQ(trial.judgement.reason, "no spike with a sink after it");
}

/// Share of all ordinary ids whose norm after the spike is 5 times the survey's.
double share_of_long_ids(const std::shared_ptr<const Model>& model, const Survey& survey) {
  const auto ids = make_tokens(at::arange(kPlantedBos, at::kLong).view({-1, 1}));
  const auto residual = watch(Site::block_output, [](const Tensor& x) { return x; });
  run({{model, ids, {}, {only_in({kPlantedSpike}, residual)}}}, {});
  const auto norm = residual->layer(kPlantedSpike).select(1, 0).square().sum(1).sqrt();
  return norm.ge(5 * survey.rest_norm[kPlantedSpike]).to(at::kDouble).mean().item<double>();
}

/// (a - u) / (1 - u), a the mean over layers 3 to 6 and the queries from 1 on.
double excess_of(const std::shared_ptr<const Model>& model, const Tokens& tokens) {
  const auto columns = watch_columns({0});
  run({{model, tokens, {}, {columns}}}, {});
  const double a = columns->layers().slice(1, 2).select(2, 0).slice(2, 1).mean().item<double>();
  double u = 0;
  for (int64_t q = 1; q < tokens->length(); ++q) u += 1.0 / static_cast<double>(q + 1);
  u /= static_cast<double>(tokens->length() - 1);
  return (a - u) / (1 - u);
}

TEST(SinkSource, MeasuresWhatItSays) {
  const auto model = with_blank_unspelled();
  ExperimentBench bench(model, kSourceSizes);
  const auto trial = bench.run("sink_source");
  EXPECT_NEAR(metric_in(trial, "long_when_alone").value, share_of_long_ids(model, bench.survey()), 1e-9);
  const auto without = excess_of(model, bench.maker().make(InputKind::natural, {16, 64}));
  const auto with = excess_of(model, bench.maker().make(InputKind::natural, {16, 64}, true));
  EXPECT_NEAR(metric_in(trial, "excess_without_bos").value, without, 1e-6);
  EXPECT_NEAR(metric_in(trial, "excess_without_bos_beyond_share").value, without - 0.5 * with, 1e-6);
}

/// The share of long ids is judged as any mean is. With so many ids Clopper and Pearson's test says the same.
TEST(SinkSource, TheTestOfAMeanIsThatOfAProportionForSoManyIds) {
  constexpr int64_t kIds = 8192;
  const boost::math::binomial_distribution<double> chance(kIds, 0.95);
  int64_t near = 0;
  for (int64_t is_long = 7700; is_long <= 7900; ++is_long) {
    std::vector<double> units(kIds, 0.0);
    std::fill(units.begin(), units.begin() + is_long, 1.0);
    const MeanTest test(units);
    const auto agree = [&](double p, double exact) {
      if (exact > 0.02 && exact < 0.03) return void(++near);
      EXPECT_EQ(p <= 0.025, exact <= 0.025) << is_long << ": " << p << " " << exact;
    };
    agree(test.p_above(0.95), cdf(complement(chance, static_cast<double>(is_long - 1))));
    agree(test.p_below(0.95), cdf(chance, static_cast<double>(is_long)));
  }
  EXPECT_LT(near, 20);
}

}  // namespace
}  // namespace replicate
