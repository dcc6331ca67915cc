// No judged metric of a claim moves unless the change is accepted: on the planted model, where all are measured, and on
// fresh weights, where there is no sink.

#include "tests/support/experiment_fixture.h"
#include "tests/support/golden_metrics.h"
#include "tests/support/planted_model.h"

namespace replicate {
namespace {

std::shared_ptr<const Model> reinitialised_model() {
  const auto weights = random_weights(planted_config(), derive_seed(1, "the model itself"), at::kCPU);
  return std::make_shared<const Model>(Model{"null", planted_config(), weights});
}

/// Training claims look at models of their own (training_claims_test.cpp).
void add_claims(GoldenMetrics& all, const std::string& name, std::shared_ptr<const Model> model) {
  const Sizes sizes{.sequences = 8, .length = 64, .beside = 2, .calibration = 64, .resamples = 200};
  ExperimentBench bench(std::move(model), sizes);
  for (const auto& [claim, procedures] : claim_registry()) {
    if (procedures.trains) continue;
    const auto trial = bench.run(claim);
    add_judged(all, name, claim, trial.judging, trial.measurement, trial.judgement);
  }
}

/// Many weights in the planted W_O are equal, so rounding decides how tau ranks them. Fresh weights have no ties.
void leave_out_ties(GoldenMetrics& all) {
  for (const auto* metric : {"kendall_tau_exact", "permutations_reaching_tau"}) {
    all.at(std::string("planted/output_projection_alignment/") + metric) = {
        {"value", "left out"}, {"why", "equal weights in the planted W_O: tau depends on rounding"}};
  }
}

TEST(JudgedMetrics, HaveNotMovedOnThePlantedModelAndOnFreshWeights) {
  const OneThread one;
  GoldenMetrics metrics;
  add_claims(metrics, "planted", planted_model(1));
  leave_out_ties(metrics);
  add_claims(metrics, "reinitialised", reinitialised_model());
  expect_golden_metrics("claims.json", metrics);
}

}  // namespace
}  // namespace replicate
