#include "harness/study/experiment.h"

#include <gtest/gtest.h>

#include "harness/record/settings/parameter_table.h"
#include "tests/support/expect_error.h"

namespace replicate {
namespace {

class NoExperiment : public Experiment {
 public:
  Plan plan(const Context&) override { return {}; }
  Measurement reduce(const Context&) override { return {}; }
};

std::unique_ptr<Experiment> make_none() { return std::make_unique<NoExperiment>(); }

Parameters parameters(const std::string& yaml) {
  return {ParameterTable(Yaml::parse(yaml, "claim.yaml")), "claim.yaml"};
}

TEST(ExperimentRegistry, RefusesASecondExperimentOfOneId) {
  expect_error([] { register_experiment("sink_onset", make_none, {}); },
               "two experiments are registered under the id 'sink_onset'");
}

TEST(ExperimentRegistry, RefusesParametersThatNoExperimentReads) {
  const auto check = [](const std::string& yaml) { check_parameters("falsification", parameters(yaml)); };
  check("{natural: {sequences: 8, length: 128}, random: {sequences: 8, length: 64}, queries: 16}");
  check("{queries: 16}");  // what an experiment needs and lacks is named when it is read
  expect_error([&] { check("{querys: 16}"); },
               "no experiment reads the parameter 'querys' (claim.yaml): did you mean 'queries'?");
  expect_error([&] { check("{natural: {lenght: 128}}"); }, "did you mean 'natural.length'?");
  expect_error([&] { check("{null_model: {sequences: 8}}"); },
               "no experiment reads the parameter 'null_model.sequences'");
  expect_error([&] { check("{natural: 8}"); }, "no experiment reads the parameter 'natural'");
}

/// Both ways: a declared parameter that a claim's YAML lacks could not be set.
TEST(ExperimentRegistry, DeclaresTheParametersOfEveryClaimsYaml) {
  const auto settings = load_settings({.configs = std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs",
                                       .assets = "",
                                       .profile = "cpu",
                                       .model = "smollm2-null",
                                       .only = "",
                                       .overrides = {},
                                       .seed = std::nullopt});
  EXPECT_EQ(settings.claims.size(), experiment_registry().size());
  for (const auto& claim : settings.claims) {
    EXPECT_NO_THROW(check_parameters(claim.id, claim.parameters)) << claim.id;
    for (const auto& key : experiment_registry().at(claim.id).parameters)
      EXPECT_TRUE(claim.parameters.has(key)) << claim.id << " " << key;
  }
}

}  // namespace
}  // namespace replicate
