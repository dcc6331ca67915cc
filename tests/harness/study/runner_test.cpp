// The runner on claims of the test's own, on a small model file.

#include "harness/study/runner/runner.h"

#include <gtest/gtest.h>

#include "harness/study/claim.h"
#include "models/core/watch.h"
#include "tests/support/small_file.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

int declared = 0;

/// The norm of the residual stream at position 0, after the last layer.
void looks_at_norms(Claim& claim) {
  ++declared;
  const auto on = claim.primary();
  const auto norms = claim.run(on).add(watch_residual(
      [](const Tensor& x) { return at::linalg_vector_norm(x.select(1, 0), 2, {-1}, false, at::kDouble); }));
  claim.report([=](Measure& measure) { measure.mean("norm", on, norms->layers().select(1, -1)); });
}

/// Its probe throws while the pass runs, which no check of the plan can see.
void throws_in_its_pass(Claim& claim) {
  claim.run(claim.primary()).add(watch_residual([](const Tensor& x) -> Tensor {
    if (x.size(0) > 0) throw std::runtime_error("a planted fault");
    return x;
  }));
}

/// The claims of this test, which are taken out again: other tests count those of the program.
class OwnClaims {
 public:
  OwnClaims() {
    register_claim("first_look", &looks_at_norms, {"natural"});
    register_claim("second_look", &looks_at_norms, {"natural"});
    register_claim("planted_fault", &throws_in_its_pass, {"natural"});
  }
  ~OwnClaims() {
    auto& registry = const_cast<std::map<std::string, ClaimProcedures>&>(claim_registry());
    for (const auto* id : {"first_look", "second_look", "planted_fault"}) registry.erase(id);
  }
};

class Runner : public testing::Test {
 protected:
  Runner() {
    std::filesystem::create_directories(folder_ / "configs/models");
    small_file().write(folder_ / "small.gguf");
    folder_.write("configs/profiles/smoke.yaml",
                  "name: smoke\nmodel: " + (folder_ / "small.gguf").string() + "\nseed: 1\nbootstrap_resamples: 50\n");
    std::string prose, ids;
    for (int line = 0; line < 2000; ++line) prose += std::to_string(line * 7919 % 10007) + " lines of some prose\n";
    folder_.write("assets/prose/prose.txt", prose);
    for (int sequence = 0; sequence < 4; ++sequence) {
      ids += "[";
      for (int i = 0; i < 16; ++i) ids += (i ? ", " : "") + std::to_string(sequence * 31 + i * 7);
      ids += "]\n";
    }
    folder_.write("tokens.jsonl", ids);
  }

  void add(const std::string& id) const {
    folder_.write("configs/claims/" + id + ".yaml", "id: " + id +
                                                        "\ntitle: a title\nkind: mechanism\nstatement: a statement\n"
                                                        "paper: {figures: [], expected: an expectation}\n"
                                                        "parameters: {natural: {sequences: 4, length: 16}}\n"
                                                        "criteria: []\n");
  }

  std::map<std::string, Record> run() const {
    RunRequest request{.settings = resolve(load_settings({.configs = folder_ / "configs",
                                                          .assets = folder_ / "assets",
                                                          .profile = "smoke",
                                                          .model = (folder_ / "small.gguf").string(),
                                                          .only = "",
                                                          .overrides = {},
                                                          .seed = 1})),
                       .assets = folder_ / "assets",
                       .tokens = folder_ / "tokens.jsonl",
                       .out = folder_ / "run",
                       .training = folder_ / "training",
                       .command = "test"};
    std::map<std::string, Record> records;
    for (auto& record : run_claims(request, *make_progress()).records) records[record.claim] = std::move(record);
    std::filesystem::remove_all(folder_ / "run");
    return records;
  }

  OwnClaims claims_;
  TemporaryFolder folder_;
};

TEST_F(Runner, AClaimThatFailsInASharedPassTakesNoOtherWithIt) {
  add("first_look");
  add("second_look");
  const auto without = run();
  declared = 0;
  add("planted_fault");
  const auto with = run();
  EXPECT_EQ(declared, 4);  // once for the shared pass, and again after it had failed
  EXPECT_EQ(with.at("planted_fault").verdict, Verdict::error);
  EXPECT_NE(with.at("planted_fault").reason.find("a planted fault"), std::string::npos);
  for (const std::string id : {"first_look", "second_look"}) {
    ASSERT_EQ(with.at(id).measurement.metrics.size(), 1u) << with.at(id).reason;
    EXPECT_EQ(with.at(id).measurement.metrics[0].value, without.at(id).measurement.metrics[0].value);
    EXPECT_EQ(with.at(id).measurement.metrics[0].low, without.at(id).measurement.metrics[0].low);
    EXPECT_EQ(with.at(id).verdict, without.at(id).verdict);
  }
}

}  // namespace
}  // namespace replicate
