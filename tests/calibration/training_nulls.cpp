// How often does a training claim pass where there is nothing to find? 64 seeds of the baseline are trained once
// (profile cpu, under an hour); then baseline, rivals and repetition are all drawn from them, again and again, and
// judged. Prints a Markdown table and adds its lines to configs/calibration.yaml.
//
//   training_nulls ASSETS FOLDER [RUNS] [FILE]    FOLDER keeps the training runs; RUNS: draws, 300 by default

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/interrupt.h"
#include "harness/record/verdict.h"
#include "harness/study/claim.h"
#include "harness/training/make_study.h"

namespace replicate {
namespace {

constexpr int64_t kSeeds = 64, kOfAnArm = 10;
const std::vector<std::string> kArms = {kBaseline,       kHeadRmsNorm,  kSigmoidAttention,
                                        kGatedAttention, kConstantGain, kBaselineAgain};
const std::vector<std::string> kClaims = {"convergence_speedup", "sink_mitigation",    "sigmoid_mitigation",
                                          "rank_preservation",   "statistical_parity", "gated_attention"};

/// The cpu profile's training with seeds of the baseline alone, at the rate that its recorded run chose, and looks at
/// few sequences: draws are many.
Settings settings() {
  std::vector<std::string> overrides = {"training.rates=[0.003]", "training.seeds.baseline=" + std::to_string(kSeeds)};
  for (const auto* arm :
       {"head_rms_norm", "sigmoid_attention", "gated_attention", "constant_gain", "dense_down", "baseline_again"}) {
    overrides.push_back("training.seeds." + std::string(arm) + "=0");
  }
  for (const auto* change : {"sink_mitigation.validation.sequences=16", "sink_mitigation.over_training.sequences=1",
                             "sigmoid_mitigation.validation.sequences=16", "rank_preservation.validation.sequences=16",
                             "statistical_parity.random.sequences=64", "gated_attention.random.sequences=64"}) {
    overrides.push_back("claims." + std::string(change));
  }
  return resolve(load_settings({std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs", "", "cpu", "smollm2-null", "",
                                overrides, std::nullopt}));
}

/// Only one rate is trained here. Whether it lies inside a grid says nothing of chance, so the check is taken as met.
/// The losses are above any of a run.
std::vector<RateTrial> made_up_grid(double rate) { return {{rate / 2, 100}, {rate, 99}, {rate * 2, 100}}; }

/// Arms that differ by chance alone: ten runs each, none in two arms.
TrainingResults draw(const TrainingResults& trained, uint64_t number) {
  const auto& runs = trained.own_rate.at("baseline");
  const auto order = Random(derive_seed(number, "arms")).permutation(static_cast<int64_t>(runs.size()));
  auto drawn = trained;
  drawn.own_rate.clear();
  auto next = order.begin();
  for (const auto& arm : kArms) {
    drawn.rates[arm] = made_up_grid(runs.front().recipe.learning_rate);
    for (int64_t i = 0; i < kOfAnArm; ++i) {
      auto run = runs[static_cast<size_t>(*next++)];
      run.arm = arm;
      drawn.own_rate[arm].push_back(std::move(run));
    }
  }
  return drawn;
}

Verdict verdict_on(const ClaimSettings& claim, const TrainingResults& results) {
  Context context(claim.parameters);
  context.training = &results;
  context.arms = claim.arms;
  const auto declared = declare_claim(claim.id, std::move(context));
  run(declared->plan(), {});
  return judge(declared->measure(), claim.judging).verdict;
}

using Counts = std::map<std::string, std::map<Verdict, int64_t>>;  // by claim

Counts count(const Settings& all, const TrainingResults& trained, uint64_t runs) {
  Counts counts;
  for (uint64_t number = 1; number <= runs; ++number) {
    const auto drawn = draw(trained, number);
    for (const auto& claim : all.claims) {
      if (std::find(kClaims.begin(), kClaims.end(), claim.id) != kClaims.end())
        ++counts[claim.id][verdict_on(claim, drawn)];
    }
    if (number % 10 == 0) std::fprintf(stderr, "%llu draws\n", static_cast<unsigned long long>(number));
  }
  return counts;
}

void print(Counts& counts) {
  std::printf("| claim | pass | fail | inconclusive |\n|---|---|---|---|\n");
  for (auto& [claim, of] : counts) {
    std::printf("| %s | %ld | %ld | %ld |\n", claim.c_str(), static_cast<long>(of[Verdict::pass]),
                static_cast<long>(of[Verdict::fail]), static_cast<long>(of[Verdict::inconclusive]));
  }
}

void append_yaml(const std::filesystem::path& file, const Settings& all, Counts& counts, uint64_t runs) {
  std::ofstream out(file, std::ios::app);
  for (const auto& claim : all.claims) {
    if (!counts.contains(claim.id)) continue;
    out << "  " << claim.id << ":\n    definition: " << claim.definition_sha256 << "\n    null_runs: " << runs
        << "\n    false_passes: " << counts[claim.id][Verdict::pass] << "\n    planted_runs: 0\n    missed: 0\n";
  }
}

int calibrate(const std::filesystem::path& assets, const std::filesystem::path& folder, uint64_t runs,
              const std::filesystem::path& file) {
  const auto all = settings();
  const auto study = make_study(all.training, all.seed, assets, folder, at::kCPU);
  if (!study->train({"baseline"}, *make_progress())) return 130;
  auto counts = count(all, study->results(), runs);
  print(counts);
  append_yaml(file, all, counts, runs);
  return 0;
}

}  // namespace
}  // namespace replicate

int main(int argc, char** argv) {
  const long runs = argc > 3 ? std::strtol(argv[3], nullptr, 10) : 300;
  if (argc < 3 || runs < 1) {
    std::fprintf(stderr, "usage: training_nulls ASSETS FOLDER [RUNS] [FILE]\n");
    return 2;
  }
  replicate::install_interrupt_handler();
  const std::string file = argc > 4 ? argv[4] : std::string(REPLICATE_SOURCE_DIR) + "/configs/calibration.yaml";
  try {
    return replicate::calibrate(argv[1], argv[2], static_cast<uint64_t>(runs), file);
  } catch (const replicate::Error& error) {
    std::fprintf(stderr, "training_nulls: %s\n", error.what());
    return 2;
  }
}
