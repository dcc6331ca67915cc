// The real model against `transformers` on the same weights and token ids; the reference file is made by
// tests/reference/transformers_reference.py, which contains none of this project's code.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/inputs.h"
#include "harness/loading.h"
#include "harness/run_folder.h"
#include "harness/runner.h"
#include "harness/probes/watch.h"
#include "tests/assets.h"
#include "tests/temporary_folder.h"

namespace replicate {
namespace {

using nlohmann::json;

class Parity : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(model_file())) GTEST_SKIP() << "no model: run scripts/setup";
    reference_ = json::parse(read_text(golden() / "smollm2_reference.json"));
  }

  static std::filesystem::path golden() { return source_folder() / "tests/golden/parity"; }

  json reference_;
};

TEST_F(Parity, LogitsWithin5e4) {
  ModelSettings settings;
  settings.name = "smollm2";
  settings.file = model_file();
  const auto loaded = load_model(settings, 1, at::kCPU);
  const auto inputs = read_tokens(golden() / "tokens.jsonl", loaded.record.vocabulary);
  const auto logits = watch(Site::logits, [](const Tensor& x) { return x; });
  ASSERT_TRUE(run({{loaded.model, inputs.tokens, {}, {logits}}}, {}));
  const auto ours = logits->layer(loaded.record.layers + 1);  // [B, T, V]
  int64_t compared = 0;
  for (const auto& sample : reference_["logits"]["samples"]) {
    const auto row = ours[sample["sequence"].get<int64_t>()][sample["position"].get<int64_t>()];
    for (size_t i = 0; i < sample["top_ids"].size(); ++i, ++compared) {
      EXPECT_NEAR(row[sample["top_ids"][i].get<int64_t>()].item<double>(), sample["top_values"][i], 5e-4);
    }
    EXPECT_EQ(row.argmax().item<int64_t>(), sample["top_ids"][0]);
  }
  for (const auto& strided : reference_["logits"]["strided"]) {
    const auto row = ours[strided["sequence"].get<int64_t>()][strided["position"].get<int64_t>()];
    const auto stride = strided["stride"].get<int64_t>();
    for (size_t i = 0; i < strided["values"].size(); ++i, ++compared) {
      EXPECT_NEAR(row[static_cast<int64_t>(i) * stride].item<double>(), strided["values"][i], 5e-4);
    }
  }
  EXPECT_GT(compared, 1000);
}

/// |a - b| relative to b, but never to less than 1e-2: the project's tolerance for series.
double deviation(double a, double b) { return std::abs(a - b) / std::max(std::abs(b), 1e-2); }

TEST_F(Parity, EveryLayerSeriesWithin1e3) {
  const TemporaryFolder folder;
  RunRequest request{.settings = load_settings({.configs = source_folder() / "configs",
                                                .assets = assets_folder(),
                                                .profile = "smoke",
                                                .model = "smollm2",
                                                .only = "sink_onset|dimension_disparity|rank_collapse|mask_induced_sink",
                                                .overrides = {"bootstrap_resamples=50"},
                                                .seed = 1}),
                     .assets = assets_folder(),
                     .tokens = golden() / "tokens.jsonl",
                     .out = folder / "run",
                     .command = "test"};
  const auto outcome = run_claims(request, *make_progress());
  int64_t compared = 0;
  for (const auto& record : outcome.records) {
    for (const auto& theirs : reference_["claims"][record.claim]["series"]) {
      const auto name = theirs["name"].get<std::string>();
      if (name == "sink_rate") continue;  // a share above a threshold: one head more or less is a step
      for (const auto& ours : record.measurement.series) {
        if (ours.name != name) continue;
        ASSERT_LE(ours.y.size(), theirs["y"].size()) << name;  // no query is behind the last position
        ASSERT_GE(ours.y.size() + 1, theirs["y"].size()) << name;
        for (size_t i = 0; i < ours.y.size(); ++i) {
          EXPECT_LE(deviation(ours.y[i], theirs["y"][i]), 1e-3) << name << " at " << ours.x[i];
        }
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 27);  // none may go missing unseen
  EXPECT_EQ(outcome.records.size(), 4U);
}

}  // namespace
}  // namespace replicate
