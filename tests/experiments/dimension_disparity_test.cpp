// The claim dimension_disparity on models of which we know how position 0's residual vector looks in each sink layer.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/planted_variant.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

Trial disparity_with_shared(double size) {
  return ExperimentBench(planted_with_shared_dimension(size)).run("dimension_disparity", {"others_factor=5"});
}

TEST(DimensionDisparity, IsJudgedInTheSinkLayerWhereItIsLeast) {
  ExperimentBench bench(planted_model(1));
  const auto trial = bench.run("dimension_disparity");
  EXPECT_EQ(trial.judgement.verdict, Verdict::pass) << trial.judgement.reason;
  const auto stream = residual();
  run({{planted_model(1), bench.maker().make(InputKind::natural, {16, 64}), {}, {stream}}}, {});
  double dominance = 0, contrast = 0, energy = 0;
  for (int64_t b = 0; b < 16; ++b) {
    std::vector<double> ratios, contrasts, energies;
    for (int64_t layer = kPlantedSpike + 1; layer <= planted_config().layers; ++layer) {
      const auto size = stream->layer(layer)[b].abs();  // [T, D]
      const auto ratio = size.amax(1) / size.mean(1);   // [T]
      ratios.push_back(ratio[0].item<double>());
      contrasts.push_back(ratios.back() - 1.7 * ratio.slice(0, 1).mean().item<double>());
      const auto sorted = std::get<0>(size[0].square().sort(0, true));
      energies.push_back((sorted.slice(0, 0, 4).sum() / sorted.sum()).item<double>());
    }
    dominance += *std::ranges::min_element(ratios) / 64 / 16;
    contrast += *std::ranges::min_element(contrasts) / 16;
    energy += *std::ranges::min_element(energies) / 16;
  }
  EXPECT_NEAR(metric_in(trial, "dominance_per_dimension_least").value, dominance, 1e-4 * dominance);
  EXPECT_NEAR(metric_in(trial, "dominance_beyond_others_least").value, contrast, 1e-4 * contrast);
  EXPECT_NEAR(metric_in(trial, "top4_energy_least").value, energy, 1e-5);
  EXPECT_EQ(metric_in(trial, "top4_energy_least").where, (std::map<std::string, int64_t>{{"spike", 2}}));
}

TEST(DimensionDisparity, FailsInAllCriteriaWhereTheSpikeIsDense) {
  const auto trial = ExperimentBench(planted_model(1, 1, Circuit::dense_direction)).run("dimension_disparity");
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "dominance_beyond_others_least"), Outcome::fail);
  EXPECT_EQ(criterion_in(trial, "top4_energy_least"), Outcome::fail);
}

TEST(DimensionDisparity, FailsWhereOtherPositionsHaveAMassiveDimensionToo) {
  EXPECT_EQ(disparity_with_shared(0).judgement.verdict, Verdict::pass);
  const auto trial = disparity_with_shared(30);
  EXPECT_EQ(trial.judgement.verdict, Verdict::fail) << trial.judgement.reason;
  EXPECT_EQ(criterion_in(trial, "dominance_per_dimension_least"), Outcome::pass);
  EXPECT_EQ(criterion_in(trial, "dominance_beyond_others_least"), Outcome::fail);
}

TEST(DimensionDisparity, IsNotApplicableWithoutASpikeAndASink) {
  for (const auto circuit : {Circuit::spike_without_sink, Circuit::sink_without_spike}) {
    const auto trial = ExperimentBench(planted_model(1, 1, circuit)).run("dimension_disparity");
    EXPECT_EQ(trial.judgement.verdict, Verdict::not_applicable);
    EXPECT_EQ(trial.judgement.reason, "no spike with a sink after it");
  }
}

}  // namespace
}  // namespace replicate
