// No judged metric of a claim moves unless the change is accepted: on the planted model, where most are measured, on
// fresh weights, where there is no sink, and on models that were made for the others.

#include "tests/support/experiment_fixture.h"
#include "tests/support/golden_metrics.h"
#include "tests/support/heads_and_values.h"
#include "tests/support/planted_deep.h"
#include "tests/support/planted_secondary_sinks.h"

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

/// Ten layers and a spike of a third of the planted one's size, which reaches two of the grid's three norm ratios.
std::shared_ptr<const Model> ten_layers() {
  return with_change(deep_model(3), [](int64_t layer, BlockWeights& weights) {
    if (layer == kPlantedSpike) weights.down.select(1, kPlantedNeuron).mul_(0.3);
  });
}

/// A claim for which the planted model has too few layers, heads or secondary sinks, or ties.
void add_claim(GoldenMetrics& all, const std::string& name, const std::string& claim,
               const std::shared_ptr<const Model>& model, const std::vector<std::string>& overrides = {}) {
  ExperimentBench bench(model, {.sequences = 8, .length = 64, .resamples = 200, .described = false});
  const auto trial = bench.run(claim, overrides);
  add_judged(all, name, claim, trial.judging, trial.measurement, trial.judgement);
}

/// By "claim/metric", whether a number stands for it on some model: null on all of them would guard nothing.
std::map<std::string, bool> measured_somewhere(const GoldenMetrics& metrics) {
  std::map<std::string, bool> measured;
  for (const auto& [name, entry] : metrics) measured[name.substr(name.find('/') + 1)] |= entry.at("value").is_number();
  return measured;
}

/// Many weights in the planted W_O are equal, so rounding decides how tau ranks them. Fresh weights have no ties.
void leave_out_ties(GoldenMetrics& all) {
  for (const auto* metric : {"kendall_tau_exact", "permutations_reaching_tau"}) {
    all.at(std::string("planted/output_projection_alignment/") + metric) = {
        {"value", "left out"}, {"why", "equal weights in the planted W_O: tau depends on rounding"}};
  }
}

TEST(JudgedMetrics, HaveNotMoved) {
  const OneThread one;
  GoldenMetrics metrics;
  add_claims(metrics, "planted", planted_model(1));
  leave_out_ties(metrics);
  add_claims(metrics, "reinitialised", reinitialised_model());
  add_claim(metrics, "ten layers", "sink_onset", ten_layers(), {"natural.length=256"});
  add_claim(metrics, "sharp heads", "head_imbalance", sharpening(1));
  add_claim(metrics, "easily reached", "position_bias", easily_reached(), {"natural.sequences=32"});
  add_claim(metrics, "projecting", "output_projection_alignment", projecting(1));
  for (const auto& [metric, is_measured] : measured_somewhere(metrics)) EXPECT_TRUE(is_measured) << metric;
  expect_golden_metrics("claims.json", metrics);
}

}  // namespace
}  // namespace replicate
