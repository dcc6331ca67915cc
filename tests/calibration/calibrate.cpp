// How often does each claim pass on models of which we know that it is false there, how often does it miss what was
// planted, and how often do its controls fire where they should? The models stand in kinds.h.
//
//   calibrate LINES [YAML [NULLS [OTHERS [THREADS [ONLY]]]]]
//
// LINES: a file to which one line of JSON is added per finished run. Started again with it, the program goes on where
// it stopped. YAML: where the counts go, configs/calibration.yaml if nothing is given. NULLS: informative runs per
// claim where it is false, 300. OTHERS: runs per claim for each of planted, near-miss and control, 100.
//
// ONLY: kinds of models whose name, as it stands in LINES, has this in it; for a look at some of them.
//
// A run is informative where the claim came to a judgement by its criteria: it is applicable, has enough units, and all
// of its checks are met. Kinds that have given none in 20 runs are left alone.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/binomial_bound.h"
#include "base/sha256.h"
#include "tests/calibration/kinds.h"

namespace replicate {
namespace {

/// As many judged sequences as registered, shorter and with less beside them.
constexpr Sizes kTried{
    .sequences = 256, .length = 64, .beside = 2, .calibration = 256, .resamples = 50, .survey = 16, .described = false};
constexpr int64_t kBlock = 10;                       // runs of a kind before the counts are looked at again
constexpr int64_t kPatience = 20;                    // runs without an informative one
constexpr int64_t kTuningUnits = 512;                // sequences on which a near-miss is measured
constexpr double kNearest = 0.85, kFarthest = 0.65;  // of a threshold: well inside 0.5 to 1.0
constexpr const char* kUninformative = "uninformative";

struct Order {
  std::string lines, yaml;
  int64_t nulls = 300, others = 100, threads = 1;
  std::string only = {};
};

std::string word(Truth truth) {
  constexpr const char* kWords[] = {"holds", "absent", "near_miss", "control_fires"};
  return kWords[static_cast<size_t>(truth)];
}

/// Of a line of the table, among all of them.
std::string key_of(const ModelKind& kind) {
  const bool of_one = kind.claims.size() == 1;
  return word(kind.truth) + "/" + kind.name + (of_one ? "/" + kind.claims.front() : "") +
         (kind.control.empty() ? "" : "/" + kind.control);
}

// ---- what has been found so far ---------------------------------------------------------------------

/// What came of each run: by kind, claim and number of the run.
using Results = std::map<std::string, std::map<std::string, std::map<int64_t, std::string>>>;

/// The file of lines: read once, then added to.
class Lines {
 public:
  Lines(std::string file, const std::string& definitions) : file_(std::move(file)) {
    drop_broken_end();
    std::ifstream in(file_);
    for (std::string line; std::getline(in, line);) read(nlohmann::json::parse(line), definitions);
    if (!started_) write({{"definitions", definitions}});
  }

  const Results& results() const { return results_; }
  std::optional<double> strength(const std::string& kind) const {
    const auto found = strengths_.find(kind);
    return found == strengths_.end() ? std::nullopt : std::optional(found->second);
  }

  void add_strength(const std::string& kind, double strength, double share) {
    add({{"kind", kind}, {"strength", strength}, {"thresholds", share}});
  }
  void add_run(const std::string& kind, int64_t run, const std::map<std::string, std::string>& outcomes) {
    add({{"kind", kind}, {"run", run}, {"outcomes", outcomes}});
  }

 private:
  /// What was being written when the program was stopped.
  void drop_broken_end() const {
    std::ifstream in(file_, std::ios::binary);
    if (!in) return;
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto end = text.rfind('\n');
    std::filesystem::resize_file(file_, end == std::string::npos ? 0 : end + 1);
  }

  void read(const nlohmann::json& line, const std::string& definitions) {
    if (!started_ && line.value("definitions", "") != definitions) {
      throw Error("the claims were judged by other definitions", file_, "name another file");
    }
    started_ = true;
    if (line.contains("strength")) strengths_[line.at("kind")] = line.at("strength");
    if (!line.contains("run")) return;
    for (const auto& [claim, outcome] : line.at("outcomes").items()) {
      results_[line.at("kind")][claim][line.at("run")] = outcome;
    }
  }

  void add(const nlohmann::json& line) {
    const std::lock_guard lock(mutex_);
    read(line, {});
    write(line);
  }

  void write(const nlohmann::json& line) {
    started_ = true;
    std::ofstream out(file_, std::ios::app);
    out << line.dump() << "\n";
    if (!out.flush()) throw Error("cannot be written", file_, "make room");
  }

  std::string file_;
  bool started_ = false;
  Results results_;
  std::map<std::string, double> strengths_;
  std::mutex mutex_;
};

// ---- one run ----------------------------------------------------------------------------------------

bool informative(const Trial& trial) {
  const auto verdict = trial.judgement.verdict;
  if (verdict == Verdict::not_applicable || verdict == Verdict::not_run || trial.measurement.too_few) return false;
  return std::ranges::all_of(trial.judgement.checks,
                             [](const Finding& check) { return check.outcome == Outcome::pass; });
}

/// The verdict; where a control should fire, what that control says; kUninformative where there is neither.
std::string outcome_of(const Trial& trial, const ModelKind& kind, const std::string& claim) {
  if (trial.judgement.verdict == Verdict::error) {
    throw Error(trial.judgement.reason, claim + " on " + kind.name, "correct the model or the claim");
  }
  if (kind.truth == Truth::holds) return to_string(trial.judgement.verdict);
  if (!informative(trial)) return kUninformative;
  if (kind.control.empty()) return to_string(trial.judgement.verdict);
  const auto control = control_in(trial, kind.control);
  return control == ControlOutcome::not_measured ? kUninformative : to_string(control);
}

Sizes sizes_of(const ModelKind& kind) {
  auto sizes = kTried;
  sizes.bos = kind.bos;
  return sizes;
}

struct Task {
  const ModelKind* kind;
  int64_t run;
  Claims claims;
};

void carry_out(const Task& task, const std::map<std::string, ModelPointer>& tuned, Lines& lines) {
  const auto& kind = *task.kind;
  const auto seed = static_cast<uint64_t>(task.run);
  ExperimentBench bench(kind.tuning ? tuned.at(key_of(kind)) : kind.model(seed), sizes_of(kind), seed);
  std::map<std::string, std::string> outcomes;
  for (const auto& claim : task.claims) outcomes[claim] = outcome_of(bench.run(claim), kind, claim);
  lines.add_run(key_of(kind), task.run, outcomes);
}

// ---- near-misses ------------------------------------------------------------------------------------

/// What the claim judges, in thresholds, on many sequences that no run sees.
double measured_share(const ModelKind& kind, double strength) {
  ExperimentBench bench(kind.tuning->model(strength), sizes_of(kind), 1'000'000);
  return kind.tuning->share(
      bench.run(kind.claims.front(), {kind.tuning->inputs + ".sequences=" + std::to_string(kTuningUnits)}));
}

/// Bisection; the share rises from one end to the other. Where it was not measured there was no sink, or none that
/// could be judged, which is on neither side: the end `none` comes nearer.
std::optional<double> tuned_strength(const ModelKind& kind, Lines& lines) {
  double low = kind.tuning->none, high = kind.tuning->whole;
  for (int step = 0; step < 14; ++step) {
    const double strength = (low + high) / 2;
    double share = 0;
    try {
      share = measured_share(kind, strength);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s at %g: %s\n", key_of(kind).c_str(), strength, e.what());
    }
    std::fprintf(stderr, "%s at %g: %.3f of the threshold\n", key_of(kind).c_str(), strength, share);
    if (share >= kFarthest && share <= kNearest) {
      lines.add_strength(key_of(kind), strength, share);
      return strength;
    }
    (share < kFarthest ? low : high) = strength;
  }
  return std::nullopt;
}

/// The models of near-misses; kinds that cannot be tuned are left out.
std::map<std::string, ModelPointer> tune(std::vector<ModelKind>& kinds, Lines& lines) {
  std::map<std::string, ModelPointer> models;
  std::erase_if(kinds, [&](const ModelKind& kind) {
    if (!kind.tuning) return false;
    auto strength = lines.strength(key_of(kind));
    if (!strength) strength = tuned_strength(kind, lines);
    if (strength) models[key_of(kind)] = kind.tuning->model(*strength);
    return !strength;
  });
  return models;
}

// ---- which runs are wanted --------------------------------------------------------------------------

struct Count {
  int64_t runs = 0, uninformative = 0, passes = 0, fired = 0;
};

/// Of a claim's runs in one kind, those before `end`.
Count count_of(const Results& results, const ModelKind& kind, const std::string& claim, int64_t end) {
  Count count;
  const auto of_kind = results.find(key_of(kind));
  if (of_kind == results.end() || !of_kind->second.contains(claim)) return count;
  for (const auto& [run, outcome] : of_kind->second.at(claim)) {
    if (run >= end) continue;
    ++(outcome == kUninformative ? count.uninformative : count.runs);
    count.passes += static_cast<int64_t>(outcome == to_string(Verdict::pass));
    count.fired += static_cast<int64_t>(outcome == to_string(ControlOutcome::fires));
  }
  return count;
}

constexpr int64_t kAll = INT64_MAX;

/// Over all kinds in which this is so for the claim.
Count total(const std::vector<ModelKind>& kinds, const Results& results, Truth truth, const std::string& claim,
            const std::string& control = {}, int64_t end = kAll) {
  Count sum;
  for (const auto& kind : kinds) {
    if (kind.truth != truth || kind.control != control) continue;
    const auto one = count_of(results, kind, claim, end);
    sum.runs += one.runs;
    sum.uninformative += one.uninformative;
    sum.passes += one.passes;
    sum.fired += one.fired;
  }
  return sum;
}

bool is_wanted(const Order& order, const std::vector<ModelKind>& kinds, const Results& results, const ModelKind& kind,
               const std::string& claim, int64_t first) {
  const auto here = count_of(results, kind, claim, first);
  if (here.runs == 0 && here.uninformative >= kPatience) return false;
  const auto target = kind.truth == Truth::absent ? order.nulls : order.others;
  const auto so_far = total(kinds, results, kind.truth, claim, kind.control, first);
  return so_far.runs < target && first < 4 * target;
}

/// The runs from `first` on, a block of them, that are wanted by what came before and have not been made.
std::vector<Task> block(const Order& order, const std::vector<ModelKind>& kinds, const Results& results, int64_t first,
                        bool& wanted) {
  std::vector<Task> tasks;
  for (const auto& kind : kinds) {
    Claims claims;
    for (const auto& claim : kind.claims) {
      if (is_wanted(order, kinds, results, kind, claim, first)) claims.push_back(claim);
    }
    wanted = wanted || !claims.empty();
    for (int64_t run = first; run < first + kBlock && !claims.empty(); ++run) {
      Claims missing;
      for (const auto& claim : claims) {
        const auto of_kind = results.find(key_of(kind));
        const bool done =
            of_kind != results.end() && of_kind->second.contains(claim) && of_kind->second.at(claim).contains(run);
        if (!done) missing.push_back(claim);
      }
      if (!missing.empty()) tasks.push_back({&kind, run, missing});
    }
  }
  return tasks;
}

/// Models side by side, one thread each: they are too small to share one among threads.
void carry_out_all(const std::vector<Task>& tasks, const Order& order, const std::map<std::string, ModelPointer>& tuned,
                   Lines& lines) {
  std::atomic<size_t> next{0};
  std::mutex failing;
  std::exception_ptr failure;
  std::vector<std::thread> workers;
  for (int64_t i = 0; i < order.threads; ++i) {
    workers.emplace_back([&] {
      try {
        for (size_t task = next++; task < tasks.size(); task = next++) carry_out(tasks[task], tuned, lines);
      } catch (...) {
        const std::lock_guard lock(failing);
        failure = std::current_exception();
        next = tasks.size();
      }
    });
  }
  for (auto& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
}

// ---- what is printed and written --------------------------------------------------------------------

/// "2 of 300 (≤ 2.4%)", the bound at 95%.
std::string with_bound(int64_t part, int64_t whole) {
  if (whole == 0) return "";
  char text[64];
  std::snprintf(text, sizeof text, "%ld of %ld (≤ %.2g%%)", static_cast<long>(part), static_cast<long>(whole),
                100 * binomial_upper_bound(part, whole));
  return text;
}

void print_kinds(const std::vector<ModelKind>& kinds, const Results& results) {
  std::printf(
      "| truth | models | claim | informative runs | not informative | passes | fired "
      "|\n|---|---|---|---|---|---|---|\n");
  for (const auto& kind : kinds) {
    for (const auto& claim : kind.claims) {
      const auto count = count_of(results, kind, claim, kAll);
      std::printf("| %s | %s | %s | %ld | %ld | %ld | %s |\n", word(kind.truth).c_str(), kind.name.c_str(),
                  claim.c_str(), static_cast<long>(count.runs), static_cast<long>(count.uninformative),
                  static_cast<long>(count.passes), kind.control.empty() ? "" : std::to_string(count.fired).c_str());
    }
  }
}

void print_claims(const std::vector<ModelKind>& kinds, const Results& results) {
  std::printf("\n| claim | false passes | near-misses that pass | missed |\n|---|---|---|---|\n");
  for (const auto& claim : mechanism_claims()) {
    const auto null = total(kinds, results, Truth::absent, claim),
               near = total(kinds, results, Truth::near_miss, claim),
               planted = total(kinds, results, Truth::holds, claim);
    std::printf("| %s | %s | %s | %s |\n", claim.c_str(), with_bound(null.passes, null.runs).c_str(),
                with_bound(near.passes, near.runs).c_str(),
                with_bound(planted.runs - planted.passes, planted.runs).c_str());
  }
}

std::set<std::string> controls_of(const std::vector<ModelKind>& kinds, const std::string& claim) {
  std::set<std::string> controls;
  for (const auto& kind : kinds) {
    if (!kind.control.empty() && kind.claims.front() == claim) controls.insert(kind.control);
  }
  return controls;
}

Settings registered_settings() {
  return resolve(load_settings({std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs",
                                "",
                                "cpu",
                                "smollm2-null",
                                "",
                                {"sweep_sequences=0"},
                                std::nullopt}));
}

void write_yaml(const std::string& file, const std::vector<ModelKind>& kinds, const Results& results) {
  std::map<std::string, std::string> definition_of;
  for (const auto& claim : registered_settings().claims) definition_of[claim.id] = claim.definition_sha256;
  std::ofstream out(file);
  out << "# Written by tests/calibration/calibrate.cpp: how often each claim passed on small models that lack its "
         "effect or\n"
         "# nearly have it, failed to pass on models into which it was built, and how often its controls fired on "
         "models\n"
         "# that were built for them. tests/calibration/kinds.h says which models. Runs in which the claim was not "
         "judged\n"
         "# by its criteria are not counted, but stand beside the null runs.\nclaims:\n";
  for (const auto& claim : mechanism_claims()) {
    const auto null = total(kinds, results, Truth::absent, claim),
               near = total(kinds, results, Truth::near_miss, claim),
               planted = total(kinds, results, Truth::holds, claim);
    out << "  " << claim << ":\n    definition: " << definition_of.at(claim) << "\n    null_runs: " << null.runs
        << "\n    false_passes: " << null.passes << "\n    uninformative: " << null.uninformative
        << "\n    near_miss_runs: " << near.runs << "\n    near_miss_passes: " << near.passes
        << "\n    planted_runs: " << planted.runs << "\n    missed: " << planted.runs - planted.passes << "\n";
    const auto controls = controls_of(kinds, claim);
    if (!controls.empty()) out << "    controls:\n";
    for (const auto& control : controls) {
      const auto count = total(kinds, results, Truth::control_fires, claim, control);
      out << "      " << control << ": {runs: " << count.runs << ", fired: " << count.fired << "}\n";
    }
  }
}

/// Of all thresholds.
std::string definitions() {
  std::string text;
  for (const auto& claim : registered_settings().claims)
    text += claim.id + " " + thresholds_sha256(claim.judging) + "\n";
  return sha256_hex(text);
}

void calibrate(const Order& order) {
  Lines lines(order.lines, definitions());
  auto kinds = known_kinds();
  std::erase_if(kinds, [&](const ModelKind& kind) { return key_of(kind).find(order.only) == std::string::npos; });
  const auto tuned = tune(kinds, lines);
  const auto start = std::chrono::steady_clock::now();
  for (int64_t first = 1;; first += kBlock) {
    bool wanted = false;
    const auto tasks = block(order, kinds, lines.results(), first, wanted);
    if (!wanted) break;
    carry_out_all(tasks, order, tuned, lines);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::fprintf(stderr, "runs to %ld: %zu models, %.0f s\n", static_cast<long>(first + kBlock - 1), tasks.size(),
                 seconds.count());
  }
  print_kinds(kinds, lines.results());
  print_claims(kinds, lines.results());
  write_yaml(order.yaml, kinds, lines.results());
}

}  // namespace
}  // namespace replicate

int main(int argc, char** argv) {
  using namespace replicate;
  const auto number = [&](int which, int64_t otherwise) {
    return argc > which ? std::strtol(argv[which], nullptr, 10) : otherwise;
  };
  const std::string yaml = argc > 2 ? argv[2] : std::string(REPLICATE_SOURCE_DIR) + "/configs/calibration.yaml";
  const Order order{argc > 1 ? argv[1] : "",
                    yaml,
                    number(3, 300),
                    number(4, 100),
                    number(5, std::max(1U, std::thread::hardware_concurrency())),
                    argc > 6 ? argv[6] : ""};
  if (order.lines.empty() || order.nulls < 1 || order.others < 1 || order.threads < 1) {
    std::fprintf(stderr, "usage: calibrate LINES [YAML [NULLS [OTHERS [THREADS [ONLY]]]]]\n");
    return 2;
  }
  at::set_num_threads(1);
  try {
    calibrate(order);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "calibrate: %s\n", error.what());
    return 2;
  }
}
