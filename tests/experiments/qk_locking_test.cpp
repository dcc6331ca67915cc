// The claim qk_locking on models of which we know how the key of position 0 lies to the queries.

#include <gtest/gtest.h>

#include "harness/study/measures/without_biases.h"
#include "models/core/watch.h"
#include "tests/support/planted_scores.h"

namespace replicate {
namespace {

constexpr Sizes kEnoughForBlocks{.sequences = 16, .length = 64};

Trial locking_trial(const std::shared_ptr<const Model>& model) {
  return ExperimentBench(model, kEnoughForBlocks).run("qk_locking");
}

TEST(QkLocking, PassesWhereItWasPlanted) {
  const auto trial = locking_trial(planted_model(1));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  EXPECT_EQ(metric_in(trial, "sink_key_positive_share").where, (std::map<std::string, int64_t>{{"spike", 2}}));
}

TEST(QkLocking, AgreesWithPlainTensors) {
  ExperimentBench bench(planted_model(1), kEnoughForBlocks);
  const auto trial = bench.run("qk_locking");
  const int64_t sink = kPlantedSpike + 1, heads = 4;
  const auto see = [&](Site site) { return only_in({sink}, watch(site, [](const Tensor& x) { return x; })); };
  const auto query = see(Site::query), key = see(Site::key);
  const auto tokens = bench.maker().make(InputKind::natural, {16, 64});
  const auto model = planted_model(1);
  run({{model, tokens, {}, {query, key}}}, {});
  const auto q = query->layer(sink), k = key->layer(sink).repeat_interleave(2, 1);  // [B, H, T, K]
  double alignment = 0, share = 0, over_others = 0;
  for (int64_t b = 0; b < 16; ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      const auto later = q[b][h].slice(0, 1), first = k[b][h][0];
      auto v = std::get<2>(at::linalg_svd(later, false))[0];
      v = v * at::dot(v, later.mean(0)).sign();
      alignment += (at::dot(v, first) / at::linalg_vector_norm(first)).item<double>() / 64;
      const auto positive = at::matmul(q[b][h], k[b][h].t()).gt(0).to(at::kDouble);  // [query, key]
      const auto of_first = positive.select(1, 0).slice(0, 1).mean().item<double>();
      double others = 0;
      for (int64_t t = 1; t <= 31; ++t) others += positive.select(1, t).slice(0, t + 1).mean().item<double>() / 31;
      share += of_first / 64;
      over_others += (of_first - others) / 64;
    }
  }
  EXPECT_NEAR(metric_in(trial, "sink_key_alignment").value, alignment, 1e-4);
  EXPECT_NEAR(metric_in(trial, "sink_key_positive_share").value, share, 1e-6);
  EXPECT_NEAR(metric_in(trial, "sink_key_positive_share_over_others").value, over_others, 1e-6);

  const auto unit = k / at::linalg_vector_norm(k, 2, {-1}, true);
  const auto cosines = at::einsum("ahk,bhk->ab", {unit.select(2, 0), unit.select(2, 0)}) / heads;  // [B, B]
  double sum = 0, pairs = 0;
  for (int64_t a = 0; a < 16; ++a) {
    for (int64_t b = 0; b < 16; ++b) {
      if (tokens->ids[a][0].item<int64_t>() == tokens->ids[b][0].item<int64_t>()) continue;
      sum += cosines[a][b].item<double>();
      ++pairs;
    }
  }
  EXPECT_NEAR(metric_in(trial, "sink_key_constancy_plug_in").value, sum / pairs, 1e-5);
}

TEST(QkLocking, FailsInAlignmentWhereTheQueriesHaveAnotherPrincipalDirection) {
  const auto trial = locking_trial(queries_along_another_pair(3));
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "sink_key_alignment"), Outcome::fail);
  EXPECT_EQ(criterion_in(trial, "sink_key_alignment_weights"), Outcome::fail);
  EXPECT_EQ(criterion_in(trial, "sink_key_positive_share"), Outcome::pass);
}

TEST(QkLocking, FailsInPositiveScoresWhereHalfOfTheHeadsHaveNegativeOnes) {
  const auto trial = locking_trial(half_of_the_heads_negative());
  EXPECT_EQ(criterion_in(trial, "sink_key_positive_share"), Outcome::fail) << trial.judgement.reason;
  EXPECT_NEAR(metric_in(trial, "sink_key_positive_share").value, 0.5, 0.05);
}

TEST(QkLocking, IsJudgedInTheNextLayerWhereTheFirstHasNoSink) {
  const auto trial = locking_trial(with_sink_layer([](BlockWeights& weights) {
    for (int64_t g = 0; g < 2; ++g) weights.key[g * kHeadRows + kLocked].neg_();
  }));
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
}

TEST(QkLocking, FailsInConstancyWhereTheKeyCarriesTheToken) {
  const auto trial = locking_trial(keys_of_the_token(300));
  EXPECT_EQ(criterion_in(trial, "sink_key_constancy"), Outcome::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "sink_key_positive_share"), Outcome::pass);
}

TEST(QkLocking, FailsByTheControlWhereLayerOneScoresTheFirstKeyHigherToo) {
  const auto trial = locking_trial(with_distant_scores_in_layer_one());
  EXPECT_EQ(control_in(trial, "layer1_positive_share_over_others"), ControlOutcome::fires) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "sink_key_positive_share"), Outcome::pass);
}

TEST(QkLocking, JudgesNoConstancyWhereAllTextsBeginAlike) {
  auto sizes = kEnoughForBlocks;
  sizes.bos = true;
  const auto trial = ExperimentBench(planted_model(1), sizes).run("qk_locking");
  EXPECT_EQ(criterion_in(trial, "sink_key_positive_share"), Outcome::pass) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "sink_key_constancy"), Outcome::not_measured);
  EXPECT_EQ(criterion_in(trial, "sink_key_constancy_over_others"), Outcome::not_measured);
}

TEST(QkLocking, TakesItsNumberOfFirstTokensFromItsParameters) {
  const auto trial = ExperimentBench(planted_model(1), kEnoughForBlocks).run("qk_locking", {"first_tokens=17"});
  EXPECT_EQ(criterion_in(trial, "sink_key_constancy"), Outcome::not_measured) << "16 texts have no 17 first tokens";
}

TEST(QkLocking, ReportsWhatBiasesOfQueriesContribute) {
  const auto biased = with_sink_layer([](BlockWeights& weights) {
    empty_other_pair(weights);
    weights.query_bias = at::zeros({64});
    for (int64_t h = 0; h < 4; ++h) weights.query_bias[h * kHeadRows + kOther] = 30;
  });
  auto config = planted_config();
  config.qkv_bias = true;
  const auto trial = locking_trial(std::make_shared<const Model>(Model{"biased", config, biased->weights}));
  EXPECT_LT(metric_in(trial, "sink_key_alignment").value, 0.5) << trial.judgement.reason;
  EXPECT_GT(metric_in(trial, "sink_key_alignment_without_biases").value, 0.9);
}

/// The sink layer's queries and keys have a large component in common, on the pair that hardly turns: every score is
/// positive.
std::shared_ptr<const Model> with_a_bias_in_common() {
  const auto biased = with_sink_layer([](BlockWeights& weights) {
    weights.query_bias = at::zeros({64});
    weights.key_bias = at::zeros({32});
    for (int64_t h = 0; h < 4; ++h) weights.query_bias[h * kHeadRows + kLocked] = 60;
    for (int64_t g = 0; g < 2; ++g) weights.key_bias[g * kHeadRows + kLocked] = 60;
  });
  auto config = planted_config();
  config.qkv_bias = true;
  return std::make_shared<const Model>(Model{"biased", config, biased->weights});
}

TEST(QkLocking, SaysWhyTheShareOverOthersIsOpenWhereEveryScoreIsPositive) {
  const auto trial = locking_trial(with_a_bias_in_common());
  EXPECT_EQ(metric_in(trial, "sink_key_positive_share_over_others").value, 0) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "sink_key_positive_share_over_others"), Outcome::inconclusive);
  const auto says_why = [](const Trial& one) {
    return std::ranges::any_of(one.measurement.notes, [](const std::string& note) {
      return note.find("score on every key is positive") != std::string::npos;
    });
  };
  EXPECT_TRUE(says_why(trial));
  EXPECT_FALSE(says_why(locking_trial(planted_model(1))));
}

/// With the biases every key is nearly the same; without them the planted model's numbers are back.
TEST(QkLocking, ReportsWhatBiasesContributeToEachJudgedNumber) {
  const auto trial = locking_trial(with_a_bias_in_common()), plain = locking_trial(planted_model(1));
  EXPECT_LT(metric_in(trial, "sink_key_constancy_over_others").value, 0.1);
  EXPECT_NEAR(metric_in(trial, "sink_key_positive_share_over_others_without_biases").value,
              metric_in(plain, "sink_key_positive_share_over_others").value, 1e-6);
  const auto constancy = metric_in(trial, "sink_key_constancy_without_biases").value;
  EXPECT_NEAR(constancy, metric_in(plain, "sink_key_constancy_plug_in").value, 1e-6);
  EXPECT_NEAR(constancy - metric_in(trial, "sink_key_constancy_others_without_biases").value,
              metric_in(plain, "sink_key_constancy_over_others_plug_in").value, 1e-6);
}

TEST(QkLocking, LeavesBiasesOfOtherLayersAlone) {
  const auto biased = planted_variant([](int64_t, BlockWeights& weights) { weights.query_bias = at::ones({64}); });
  const auto without = without_query_key_biases(biased, 4);
  EXPECT_TRUE(at::equal(without->weights->block(4).query_bias, at::zeros({64})));
  EXPECT_TRUE(at::equal(without->weights->block(3).query_bias, at::ones({64})));
  EXPECT_FALSE(without->weights->block(4).key_bias.defined());
}

TEST(QkLocking, IsNotApplicableWithoutASpikeAndASink) {
  for (const auto circuit : {Circuit::spike_without_sink, Circuit::sink_without_spike}) {
    const auto trial = locking_trial(planted_model(1, 1, circuit));
    EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
    EXPECT_EQ(trial.judgement.reason, "no spike with a sink after it");
  }
}

}  // namespace
}  // namespace replicate
