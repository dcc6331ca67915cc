// The real model against `transformers` on the same weights and token ids; the reference files are made by
// tests/reference/transformers_reference.py and mechanism_reference.py, which contain none of this project's code.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/run_folder.h"
#include "base/yaml.h"
#include "harness/inputs/given.h"
#include "harness/inputs/loading.h"
#include "harness/study/runner/runner.h"
#include "models/core/watch.h"
#include "tests/support/assets.h"
#include "tests/support/temporary_folder.h"

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
  const auto loaded = load_model(settings, "float32", 1, at::kCPU);
  const auto tokens = read_given({GivenSource::Kind::tokens, (golden() / "tokens.jsonl").string()}, *loaded.tokenizer,
                                 loaded.record.vocabulary)
                          .judged;
  const auto logits = watch(Site::logits, [](const Tensor& x) { return x; });
  ASSERT_TRUE(run({{loaded.model, tokens, {}, {logits}}}, {}));
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

/// Adds up the operations of the passes that a run makes.
class CountedOperations : public Progress {
 public:
  void begin(const std::string&, double) override {}
  void advance(double done) override { all_ += done; }
  void end() override {}
  void line(const std::string&) override {}
  double all() const { return all_; }

 private:
  double all_ = 0;
};

/// All claims on the reference's ids, measured once: what --dry-run says, what was counted, and the records.
struct ReferenceRun {
  std::string predicted;
  double counted = 0;
  std::vector<Record> records;

  ReferenceRun() {
    const TemporaryFolder folder;
    const RunRequest request{.settings = resolve(load_settings({.configs = source_folder() / "configs",
                                                                .assets = assets_folder(),
                                                                .profile = "smoke",
                                                                .model = "smollm2",
                                                                .only = "",
                                                                .overrides = {"bootstrap_resamples=50"},
                                                                .seed = 1})),
                             .assets = assets_folder(),
                             .given = GivenSource{GivenSource::Kind::tokens,
                                                  (source_folder() / "tests/golden/parity/tokens.jsonl").string()},
                             .out = folder / "run",
                             .training = folder / "training",
                             .command = "test"};
    predicted = dry_run(request);
    CountedOperations operations;
    records = run_claims(request, operations).records;
    counted = operations.all();
  }
};

/// Empty where the reference does not have the claim.
json of_claim(const json& reference, const Record& record) {
  return reference.at("claims").value(record.claim, json::object());
}

void expect_layer_series_within_1e3(const std::vector<Record>& records, const json& reference) {
  int64_t compared = 0;
  for (const auto& record : records) {
    for (const auto& theirs : of_claim(reference, record).value("series", json::array())) {
      const auto name = theirs["name"].get<std::string>();
      if (name == "sink_rate") continue;  // a share above a threshold: one head more or less is a step
      for (const auto& ours : record.measurement.series) {
        if (ours.name != name) continue;
        ASSERT_LE(ours.y.size(), theirs["y"].size()) << name;  // no query is after the last position
        ASSERT_GE(ours.y.size() + 1, theirs["y"].size()) << name;
        for (size_t i = 0; i < ours.y.size(); ++i) {
          EXPECT_LE(deviation(ours.y[i], theirs["y"][i]), 1e-3) << name << " at " << ours.x[i];
        }
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 27);  // none may go missing unseen
}

/// "gate_norm_z[layer=3,neuron=90]", as the reference names it.
std::string key_of(const Metric& metric) {
  std::string inside;
  for (const auto* place : {"layer", "neuron", "head"}) {
    const auto found = metric.where.find(place);
    if (found == metric.where.end()) continue;
    inside += (inside.empty() ? "" : ",") + std::string(place) + "=" + std::to_string(found->second);
  }
  return inside.empty() ? metric.name : metric.name + "[" + inside + "]";
}

/// Each side draws its own permutations.
bool is_drawn(const std::string& key) { return key.find("permut") != std::string::npos; }

void expect_metrics_within_1e3(const std::vector<Record>& records, const json& reference) {
  std::map<std::string, int64_t> compared;
  for (const auto& record : records) {
    const auto theirs = of_claim(reference, record);
    std::set<std::string> seen;  // the first of a name is the judged condition's
    for (const auto& metric : record.measurement.metrics) {
      const auto key = key_of(metric);
      if (!seen.insert(key).second || !theirs.contains(key) || !theirs[key].is_number()) continue;
      if (is_drawn(key)) continue;
      EXPECT_LE(deviation(metric.value, theirs[key]), 1e-3) << record.claim << " " << key;
      ++compared[record.claim];
    }
  }
  EXPECT_EQ(compared.size(), 9U);  // the four of the other reference are not among them
  EXPECT_GT(compared["super_neuron_alignment"], 100);
  for (const auto& [claim, metrics] : compared) EXPECT_GE(metrics, 3) << claim;
}

bool holds(const auto& measured, const std::string& name) {
  return std::ranges::any_of(measured, [&](const auto& one) { return one.name == name; });
}

/// The panel of a link may be another claim's.
void expect_curves(const Yaml& link, const std::vector<Record>& records) {
  const auto claim = link.text_or("panel_claim", link.at("claim").text());
  const auto record = std::ranges::find(records, claim, &Record::claim);
  ASSERT_NE(record, records.end()) << claim;
  for (const auto& [series, label] : link.at("curves").entries())
    EXPECT_TRUE(holds(record->measurement.series, series)) << claim << " " << series;
}

/// The reports' chain of causes shows one number of each claim in it, for a link one that is judged, and some series.
void expect_what_the_chain_names(const std::vector<Record>& records) {
  const auto paper = Yaml::read(source_folder() / "configs/paper.yaml");
  int64_t checked = 0;
  for (const auto* part : {"links", "arrows"}) {
    for (const auto& entry : paper.at(part).items()) {
      const auto claim = entry.at("claim").text(), metric = entry.at("metric").text();
      const auto record = std::ranges::find(records, claim, &Record::claim);
      ASSERT_NE(record, records.end()) << claim;
      if (record->measurement.inapplicable) continue;  // judged on random ids
      EXPECT_TRUE(holds(record->measurement.metrics, metric)) << claim << " " << metric;
      if (entry.has("curves")) {
        expect_curves(entry, records);
        EXPECT_TRUE(std::ranges::count(record->criteria, metric, &Finding::metric)) << claim << " " << metric;
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 10);
}

void expect_operations_as_predicted(const std::string& predicted, double counted) {
  std::smatch all;
  ASSERT_TRUE(std::regex_search(predicted, all, std::regex("all, passes shared +([0-9.]+)"))) << predicted;
  EXPECT_NEAR(std::stod(all[1]) * 1e12 / counted, 1, 0.05) << predicted;
}

/// One test, since what takes minutes is the run.
TEST_F(Parity, AllClaimsOnTheReferencesIds) {
  const ReferenceRun run;
  expect_layer_series_within_1e3(run.records, reference_);
  expect_metrics_within_1e3(run.records, json::parse(read_text(golden() / "mechanism_reference.json")));
  expect_what_the_chain_names(run.records);
  expect_operations_as_predicted(run.predicted, run.counted);
}

}  // namespace
}  // namespace replicate
