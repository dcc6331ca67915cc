// How often does each claim pass on models of which we know that there is nothing to find, and from which strength on
// does it find what was planted? Prints two Markdown tables. Usage: null_runs [SEEDS], 20 by default.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tests/experiment_fixture.h"
#include "tests/planted_model.h"

namespace replicate {
namespace {

constexpr Sizes kSizes{.sequences = 8, .length = 64, .beside = 2, .calibration = 64, .resamples = 200};
constexpr double kStrengths[] = {0, 0.25, 0.5, 0.75, 1};

/// One model and what every claim came to on it.
struct Subject {
  std::string name;
  std::shared_ptr<const Model> model;
  uint64_t seed;
  std::map<std::string, Judgement> judgements = {};

  void judge_all() {
    ExperimentBench bench(model, kSizes, seed);
    for (const auto& [claim, factory] : experiment_registry()) judgements[claim] = bench.run(claim).judgement;
  }
};

std::string name_of(const ModelConfig& c) {
  return "L " + std::to_string(c.layers) + ", D " + std::to_string(c.width);
}

ModelConfig larger_config() {
  auto config = planted_config();
  config.layers = 12;
  config.width = 128;
  config.heads = 8;
  config.hidden = 256;
  return config;
}

std::vector<Subject> null_subjects(uint64_t seeds) {
  std::vector<Subject> all;
  for (const auto& config : {planted_config(), larger_config()}) {
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      const auto weights = random_weights(config, derive_seed(seed, "the model itself"), at::kCPU);
      all.push_back({name_of(config), std::make_shared<const Model>(Model{"null", config, weights}), seed});
    }
  }
  return all;
}

std::vector<Subject> planted_subjects() {
  std::vector<Subject> all;
  for (const double strength : kStrengths) {
    char name[16];
    std::snprintf(name, sizeof name, "%g", strength);
    all.push_back({name, planted_model(strength), 1});
  }
  return all;
}

/// Models side by side, one thread each: they are too small to share one among threads.
void judge_all(std::vector<Subject>& subjects) {
  at::set_num_threads(1);
  std::atomic<size_t> next{0};
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    workers.emplace_back([&] {
      for (size_t s = next++; s < subjects.size(); s = next++) subjects[s].judge_all();
    });
  }
  for (auto& worker : workers) worker.join();
}

void print_counts(const std::vector<Subject>& subjects) {
  std::map<std::pair<std::string, int64_t>, std::map<Verdict, int>> counts;  // by claim and number of layers
  std::map<int64_t, std::string> sizes;
  for (const auto& subject : subjects) {
    const auto layers = subject.model->config.layers;
    sizes[layers] = subject.name;
    for (const auto& [claim, judgement] : subject.judgements) ++counts[{claim, layers}][judgement.verdict];
  }
  std::printf("| claim | size | pass | fail | inconclusive | skipped | error |\n|---|---|---|---|---|---|---|\n");
  for (auto& [key, of] : counts) {
    std::printf("| %s | %s | %d | %d | %d | %d | %d |\n", key.first.c_str(), sizes[key.second].c_str(),
                of[Verdict::pass], of[Verdict::fail], of[Verdict::inconclusive], of[Verdict::skipped],
                of[Verdict::error]);
  }
}

void print_curve(const std::vector<Subject>& subjects) {
  std::printf("\n| claim |");
  for (const auto& subject : subjects) std::printf(" strength %s |", subject.name.c_str());
  std::printf("\n|---|");
  for (size_t i = 0; i < subjects.size(); ++i) std::printf("---|");
  for (const auto& [claim, factory] : experiment_registry()) {
    std::printf("\n| %s |", claim.c_str());
    for (const auto& subject : subjects) {
      std::printf(" %s |", to_string(subject.judgements.at(claim).verdict).c_str());
    }
  }
  std::printf("\n");
}

/// What a reader of the tables asks next.
void explain(const std::vector<Subject>& subjects, const std::vector<Verdict>& verdicts) {
  for (const auto& subject : subjects) {
    for (const auto& [claim, judgement] : subject.judgements) {
      if (std::find(verdicts.begin(), verdicts.end(), judgement.verdict) == verdicts.end()) continue;
      std::fprintf(stderr, "%s, seed %llu: %s: %s: %s\n", subject.name.c_str(),
                   static_cast<unsigned long long>(subject.seed), claim.c_str(), to_string(judgement.verdict).c_str(),
                   judgement.reason.substr(0, judgement.reason.find('\n')).c_str());
    }
  }
}

}  // namespace
}  // namespace replicate

int main(int argc, char** argv) {
  using namespace replicate;
  const auto start = std::chrono::steady_clock::now();
  const long seeds = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 20;
  if (seeds < 1) {
    std::fprintf(stderr, "usage: null_runs [SEEDS]\n");
    return 2;
  }
  auto nulls = null_subjects(static_cast<uint64_t>(seeds));
  auto planted = planted_subjects();
  judge_all(nulls);
  judge_all(planted);
  std::printf("Re-initialised weights, %ld seeds a size:\n\n", seeds);
  print_counts(nulls);
  std::printf("\nThe planted model, by the strength of the super neuron's write:\n");
  print_curve(planted);
  std::fflush(stdout);
  explain(nulls, {Verdict::pass, Verdict::error});
  explain(planted, {Verdict::fail, Verdict::inconclusive, Verdict::error});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::fprintf(stderr, "%.0f seconds\n", seconds.count());
}
