// training.lowest_known_loss belongs to the data that a profile trains on, and to no other.

#include <gtest/gtest.h>

#include "harness/record/settings/recorded_run.h"
#include "harness/record/settings/settings_yaml.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

/// With a claim that trains its own models, on data of which a loss of 2.5 is known.
class LowestKnownLoss : public SettingsTest {
 protected:
  LowestKnownLoss() {
    folder_.write("training.yaml",
                  "data: prose\nvocabulary: 100\nlength: 64\nlowest_known_loss: 0.0\nsteps: 100\n"
                  "validation: {sequences: 8}\nseeds: {baseline: 1}\n");
    folder_.write("claims/gamma_claim.yaml",
                  replaced(replaced(kBeta, "beta_claim", "gamma_claim"), "intervention", "training\narms: [baseline]"));
    write_profile("{vocabulary: 50, lowest_known_loss: 2.5}");
  }

  void write_profile(const std::string& training) {
    folder_.write(
        "profiles/small.yaml",
        replaced(kProfile, "claims:", "calibration: its numbers are known\ntraining: " + training + "\nclaims:"));
  }

  double loss(std::vector<std::string> overrides = {}) const {
    return load(std::move(overrides)).training.real("lowest_known_loss");
  }

  /// The loss with which a run of this config.yaml is repeated.
  double loss_of_recorded(const std::string& config) const {
    folder_.write("run/config.yaml", config);
    auto request = this->request();
    request.recorded = folder_ / "run/config.yaml";
    return resolve(load_settings(request)).training.real("lowest_known_loss");
  }
};

TEST_F(LowestKnownLoss, IsTheProfiles) {
  EXPECT_EQ(loss(), 2.5);
  EXPECT_EQ(loss({"training.steps=200"}), 2.5) << "the same data";
  EXPECT_EQ(loss({"training.vocabulary=50"}), 2.5) << "as it was";
  EXPECT_EQ(loss({"training.lowest_known_loss=2"}), 2);
}

TEST_F(LowestKnownLoss, IsNotKnownOnOtherData) {
  for (const auto* change : {"data=other", "vocabulary=60", "length=32", "validation.sequences=4"}) {
    const std::string other = std::string("training.") + change;
    EXPECT_EQ(loss({other}), 0) << change;
    EXPECT_EQ(loss({other, "training.lowest_known_loss=3"}), 3) << change;
    EXPECT_EQ(loss({"training.lowest_known_loss=3", other}), 3) << change;
  }
}

TEST_F(LowestKnownLoss, IsNotInheritedByAProfileWithOtherData) {
  folder_.write("training.yaml",
                "data: prose\nvocabulary: 100\nlowest_known_loss: 2.75\nsteps: 100\nseeds: {baseline: 1}\n");
  write_profile("{steps: 50}");
  EXPECT_EQ(loss(), 2.75);
  write_profile("{vocabulary: 50}");
  EXPECT_EQ(loss(), 0);
}

TEST_F(LowestKnownLoss, OfARecordedRunIsItsOwn) {
  const auto config = settings_yaml(load({"training.lowest_known_loss=2.25"}));
  EXPECT_EQ(loss_of_recorded(config), 2.25);
  const auto without = replaced(config, "  lowest_known_loss: 2.25\n", "");
  ASSERT_NE(without, config);
  EXPECT_EQ(loss_of_recorded(without), 2.5) << "recorded before there was such a key";
  EXPECT_EQ(loss_of_recorded(replaced(without, "vocabulary: 50", "vocabulary: 60")), 0);
}

/// It trains nothing, so what was known of the runs still is.
TEST_F(LowestKnownLoss, LeavesKnownWhatIsTrained) {
  const auto gamma = [&](std::vector<std::string> overrides) {
    return load(std::move(overrides), "gamma_claim").claims.at(0);
  };
  EXPECT_TRUE(gamma({}).calibrated);
  EXPECT_TRUE(gamma({"training.lowest_known_loss=2"}).calibrated);
  EXPECT_FALSE(gamma({"training.steps=200"}).calibrated);
}

}  // namespace
}  // namespace replicate
