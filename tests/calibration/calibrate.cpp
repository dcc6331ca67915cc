// How often does each claim pass on models of which we know that it is false there, and how often does it miss what was
// planted? Prints Markdown tables for the README and writes configs/calibration.yaml.
//
//   calibrate [RUNS] [FILE]    RUNS: null runs a claim at least, 300 by default; FILE: where the YAML goes

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "tests/support/experiment_fixture.h"
#include "tests/support/planted_model.h"

namespace replicate {
namespace {

constexpr Sizes kSizes{.sequences = 8, .length = 64, .beside = 2, .calibration = 64, .resamples = 200};
constexpr double kStrengths[] = {0, 0.25, 0.5, 0.75, 1};

using Claims = std::set<std::string>;
using MakeModel = std::function<std::shared_ptr<const Model>(uint64_t seed)>;

/// A kind of model, and the claims of which the truth is known there.
struct Kind {
  std::string name;
  MakeModel make;
  uint64_t runs;
  Claims claims;
};

/// The planted model has no such effect beyond arithmetic, has too few layers, heads or secondary sinks for the claim,
/// lies on its edge, or a second sink changes next to nothing for other positions: whether these see an effect cannot
/// be tried on it.
const Claims kNotPlanted = {"variance_discrepancy", "output_projection_alignment", "head_imbalance", "sink_onset",
                            "position_bias",        "variance_substitutes",        "side_effects"};

/// Claims that any weights pass by arithmetic: here a pass counts where trained minus re-initialised lies above 0, too.
const std::map<std::string, std::string> kBeyondArithmetic = {
    {"variance_discrepancy", "variance_ratio_first_to_rest_minus_null"}};

/// All but the training claims, which look at models of their own (training_nulls.cpp).
Claims all_claims() {
  Claims ids;
  for (const auto& [id, claim] : claim_registry()) {
    if (!claim.trains) ids.insert(id);
  }
  return ids;
}

Claims without(Claims claims, const Claims& gone) {
  for (const auto& id : gone) claims.erase(id);
  return claims;
}

ModelConfig larger_config() {
  auto config = planted_config();
  config.layers = 12;
  config.width = 128;
  config.heads = 8;
  config.hidden = 256;
  return config;
}

MakeModel reinitialised(const ModelConfig& config) {
  return [config](uint64_t seed) {
    const auto weights = random_weights(config, derive_seed(seed, "the model itself"), at::kCPU);
    return std::make_shared<const Model>(Model{"null", config, weights});
  };
}

MakeModel planted(double strength, Circuit circuit = Circuit::whole) {
  return [=](uint64_t seed) { return planted_model(strength, seed, circuit); };
}

/// Re-initialised weights for every claim; for some claims also models that have all but what the claim says.
std::vector<Kind> null_kinds(uint64_t runs) {
  return {{"re-initialised, L 6, D 64", reinitialised(planted_config()), (runs + 1) / 2, all_claims()},
          {"re-initialised, L 12, D 128", reinitialised(larger_config()), (runs + 1) / 2, all_claims()},
          {"spike without sink",
           planted(1, Circuit::spike_without_sink),
           runs / 4,
           {"sink_onset", "dimension_disparity", "qk_locking", "mask_induced_sink", "variance_scaling", "sink_source"}},
          {"sink without spike",
           planted(1, Circuit::sink_without_spike),
           runs / 4,
           {"sink_onset", "dimension_disparity", "rank_collapse", "super_neuron_alignment"}},
          {"dense direction", planted(1, Circuit::dense_direction), runs / 4, {"dimension_disparity"}},
          {"backup neuron",
           planted(1, Circuit::backup),
           runs / 4,
           {"super_neuron_mediation", "disparity_mediation", "falsification"}}};
}

std::vector<Kind> planted_kinds(uint64_t runs) {
  std::vector<Kind> kinds;
  for (const double strength : kStrengths) {
    char name[16];
    std::snprintf(name, sizeof name, "%g", strength);
    const auto seeds = strength == 1 ? runs / 3 : runs / 15;
    kinds.push_back({name, planted(strength), std::max<uint64_t>(seeds, 1), without(all_claims(), kNotPlanted)});
  }
  return kinds;
}

bool passes(ExperimentBench& bench, const std::string& claim, const std::string& name) {
  const auto trial = bench.run(claim);
  if (trial.judgement.verdict == Verdict::error) {
    std::fprintf(stderr, "%s: %s: error: %s\n", name.c_str(), claim.c_str(), trial.judgement.reason.c_str());
    std::exit(1);
  }
  if (trial.judgement.verdict != Verdict::pass) return false;
  const auto beyond = kBeyondArithmetic.find(claim);
  if (beyond == kBeyondArithmetic.end()) return true;
  const auto& metrics = trial.measurement.metrics;
  const auto metric =
      std::find_if(metrics.begin(), metrics.end(), [&](const Metric& m) { return m.name == beyond->second; });
  return metric != metrics.end() && metric->low.value_or(0) > 0;
}

struct Count {
  int64_t runs = 0, passes = 0;
};
using Counts = std::map<std::string, Count>;  // by claim

/// Models side by side, one thread each: they are too small to share one among threads.
Counts count(const Kind& kind) {
  std::vector<Claims> passed(kind.runs);
  std::atomic<uint64_t> next{0};
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    workers.emplace_back([&] {
      for (uint64_t run = next++; run < kind.runs; run = next++) {
        ExperimentBench bench(kind.make(run + 1), kSizes, run + 1);
        for (const auto& claim : kind.claims) {
          if (passes(bench, claim, kind.name)) passed[run].insert(claim);
        }
      }
    });
  }
  for (auto& worker : workers) worker.join();
  Counts counts;
  for (const auto& claim : kind.claims) {
    counts[claim].runs = static_cast<int64_t>(kind.runs);
    for (const auto& claims : passed) counts[claim].passes += static_cast<int64_t>(claims.contains(claim));
  }
  return counts;
}

std::vector<Counts> count_all(const std::vector<Kind>& kinds) {
  std::vector<Counts> all;
  for (const auto& kind : kinds) {
    const auto start = std::chrono::steady_clock::now();
    all.push_back(count(kind));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::fprintf(stderr, "%s: %.0f s\n", kind.name.c_str(), seconds.count());
  }
  return all;
}

void print_table(const std::vector<Kind>& kinds, const std::vector<Counts>& counts) {
  std::printf("| claim |");
  for (const auto& kind : kinds) std::printf(" %s |", kind.name.c_str());
  std::printf("\n|---|");
  for (size_t i = 0; i < kinds.size(); ++i) std::printf("---|");
  for (const auto& claim : all_claims()) {
    std::printf("\n| %s |", claim.c_str());
    for (const auto& of_kind : counts) {
      const auto found = of_kind.find(claim);
      if (found == of_kind.end()) {
        std::printf(" |");
      } else {
        std::printf(" %ld of %ld |", static_cast<long>(found->second.passes), static_cast<long>(found->second.runs));
      }
    }
  }
  std::printf("\n\n");
}

Count total(const std::vector<Counts>& counts, const std::string& claim) {
  Count sum;
  for (const auto& of_kind : counts) {
    const auto found = of_kind.find(claim);
    if (found == of_kind.end()) continue;
    sum.runs += found->second.runs;
    sum.passes += found->second.passes;
  }
  return sum;
}

void write_yaml(const std::filesystem::path& file, const std::vector<Counts>& nulls, const Counts& at_full_strength) {
  std::ofstream out(file);
  out << "# Written by tests/calibration/calibrate.cpp: how often each claim passed on small models that lack its "
         "effect, and\n"
         "# failed to pass on models into which it was built. results/LOG.md says which models.\nclaims:\n";
  for (const auto& claim : all_claims()) {
    const auto null = total(nulls, claim);
    const auto found = at_full_strength.find(claim);
    const auto plant = found == at_full_strength.end() ? Count{} : found->second;
    out << "  " << claim << ": {null_runs: " << null.runs << ", false_passes: " << null.passes
        << ", planted_runs: " << plant.runs << ", missed: " << plant.runs - plant.passes << "}\n";
  }
}

}  // namespace
}  // namespace replicate

int main(int argc, char** argv) {
  using namespace replicate;
  const long runs = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 300;
  if (runs < 1) {
    std::fprintf(stderr, "usage: calibrate [RUNS] [FILE]\n");
    return 2;
  }
  at::set_num_threads(1);
  const auto nulls = null_kinds(static_cast<uint64_t>(runs)), plants = planted_kinds(static_cast<uint64_t>(runs));
  const auto null_counts = count_all(nulls), planted_counts = count_all(plants);
  std::printf("Passes on models on which the claim is false:\n\n");
  print_table(nulls, null_counts);
  std::printf("Passes on the planted model, by the strength of the super neuron's write:\n\n");
  print_table(plants, planted_counts);
  write_yaml(argc > 2 ? argv[2] : std::string(REPLICATE_SOURCE_DIR) + "/configs/calibration.yaml", null_counts,
             planted_counts.back());
}
