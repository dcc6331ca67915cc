#include "harness/record/settings/known_verdicts.h"

#include <gtest/gtest.h>

#include "harness/record/settings/validate.h"
#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

constexpr const char* kKnown = R"(models:
  tiny:
    alpha_claim:
      expected: {verdict: fail, since: 2026-11-29, why: "too small, by far"}
      recorded: {run: cpu-tiny, profile: cpu, verdict: pass,
        thresholds_sha256: abc}
    beta_claim:
      expected: {verdict: not applicable, since: 2026-11-29, why: no sink}
profiles:
  small:
    gamma_claim:
      expected: {verdict: fail, since: 2026-11-29, why: too short}
      recorded: {run: cpu-tiny, profile: small, verdict: fail, thresholds_sha256: def}
)";

/// With a claim that trains its own models.
class KnownVerdicts : public SettingsTest {
 protected:
  KnownVerdicts() {
    folder_.write("training.yaml", "steps: 100\nseeds: {baseline: 1}\n");
    folder_.write("claims/gamma_claim.yaml",
                  replaced(replaced(kBeta, "beta_claim", "gamma_claim"), "intervention", "training\narms: [baseline]"));
    folder_.write("known.yaml", kKnown);
  }

  KnownVerdict known(const std::string& claim, std::vector<std::string> overrides = {}) const {
    return load(std::move(overrides), "^" + claim + "$").claims.at(0).known;
  }

  /// What `validate` finds where a part of the file is replaced.
  std::vector<std::string> findings(const std::string& from, const std::string& to) const {
    EXPECT_NE(replaced(kKnown, from, to), kKnown) << from;
    folder_.write("known.yaml", replaced(kKnown, from, to));
    return validate_configs(folder_.path());
  }
};

TEST_F(KnownVerdicts, AreWhatIsExpectedAndWhatWasRecorded) {
  const auto alpha = known("alpha_claim");
  ASSERT_TRUE(alpha.expected && alpha.recorded);
  EXPECT_EQ(alpha.expected->verdict, Verdict::fail);
  EXPECT_EQ(alpha.expected->why, "too small, by far");
  EXPECT_EQ(alpha.expected->since, "2026-11-29");
  EXPECT_EQ(alpha.recorded->run, "cpu-tiny");
  EXPECT_EQ(alpha.recorded->profile, "cpu");
  EXPECT_EQ(alpha.recorded->verdict, Verdict::pass);
  EXPECT_EQ(alpha.recorded->thresholds_sha256, "abc");
  EXPECT_EQ(known("beta_claim").expected->verdict, Verdict::not_applicable);
  EXPECT_FALSE(known("beta_claim").recorded);
}

TEST_F(KnownVerdicts, AreNeededNowhere) {
  folder_.write("known.yaml", "models: {}\n");
  EXPECT_FALSE(known("alpha_claim").expected || known("alpha_claim").recorded);
  std::filesystem::remove(folder_ / "known.yaml");
  EXPECT_FALSE(known("alpha_claim").expected || known("alpha_claim").recorded);
  EXPECT_TRUE(validate_configs(folder_.path()).empty());
}

TEST_F(KnownVerdicts, OfTrainingAreTheProfiles) {
  EXPECT_EQ(known("gamma_claim").expected->why, "too short");
  EXPECT_TRUE(known("gamma_claim", {"seed=3"}).expected);
  const auto other = known("gamma_claim", {"training.steps=200"});
  EXPECT_FALSE(other.expected) << "other models, of which nothing is known";
  EXPECT_TRUE(other.recorded) << "another run is compared with it";
  folder_.write("profiles/other.yaml", replaced(kProfile, "name: small", "name: other"));
  auto request = this->request();
  request.profile = "other";
  for (const auto& claim : resolve(load_settings(request)).claims) {
    EXPECT_EQ(claim.known.expected.has_value(), claim.id != "gamma_claim") << claim.id;
  }
}

/// A file that happens to have the name of a model is another model; one that is judged as a model is known as it is.
TEST_F(KnownVerdicts, OfAPathAreThoseOfTheModelThatItIsJudgedAs) {
  constexpr const char* kFamous =
      "name: famous\n"
      "identity: {architecture: llama, layers: 2, width: 8, heads: 2, kv_heads: 2, hidden: 16, vocabulary: 40, "
      "context: 64}\n";
  folder_.write("models/famous.yaml", kFamous);
  folder_.write("files/tiny.gguf", "x");
  auto request = this->request();
  request.model = folder_ / "files/tiny.gguf";
  request.only = "alpha_claim";
  const auto expected = [&](const std::optional<ModelIdentity>& identity) {
    return resolve(load_settings(request), identity).claims.at(0).known.expected.has_value();
  };
  const ModelIdentity famous = {"llama", 2, 8, 2, 2, 16, 40, 64};
  EXPECT_FALSE(expected(std::nullopt));
  EXPECT_FALSE(expected(famous));
  folder_.write("known.yaml", replaced(kKnown, "  tiny:", "  famous:"));
  EXPECT_TRUE(expected(famous));
}

TEST_F(KnownVerdicts, MistakesAreFound) {
  EXPECT_TRUE(validate_configs(folder_.path()).empty());
  for (const auto& [from, to, message] : std::vector<std::array<std::string, 3>>{
           {"alpha_claim", "alpha_clam", "did you mean 'alpha_claim'?"},
           {"tiny:", "tinny:", "did you mean 'tiny'?"},
           {"small:", "smal:", "did you mean 'small'?"},
           {"beta_claim", "gamma_claim", "list it under profiles"},
           {"gamma_claim", "beta_claim", "list it under models"},
           {"verdict: pass", "verdict: passed", "did you mean 'pass'?"},
           {", why: no sink", "", "lacks the key 'why'"},
           {"run: cpu-tiny, profile: cpu", "run: '', profile: cpu", "known.yaml:5"},
           {"expected: {verdict: not", "expect: {verdict: not", "did you mean 'expected'?"},
           {"profiles:", "profile:", "did you mean 'profiles'?"}}) {
    const auto found = findings(from, to);
    ASSERT_EQ(found.size(), 1u) << from;
    expect_has(found[0], message);
  }
}

}  // namespace
}  // namespace replicate
