#pragma once

// The arms that a training claim compares, as the profile trained them: one run per seed, paired by index, since the
// i-th runs of all arms see the same batches and begin with the same weights where shapes agree.

#include <limits>

#include "harness/training/results.h"
#include "harness/training/seed_measure.h"

namespace replicate {

/// The run reached its last step.
bool finished(const TrainedRun& run);

using RunsByArm = std::map<std::string, std::vector<TrainedRun>>;

class ComparedArms {
 public:
  /// The arms that are `needed`, with the seeds that all of them have: the first n of each. Of those `beside` them the
  /// arms that have as many. What was not trained, and a study without a baseline, is simply not there. `all` is
  /// referred to.
  ComparedArms(const RunsByArm& all, const std::vector<std::string>& needed,
               const std::vector<std::string>& beside = {});

  const std::vector<std::string>& names() const { return names_; }  ///< the needed ones first
  bool has(const std::string& arm) const { return runs_.count(arm) > 0; }
  /// seeds() of them, so that index i is seed i in every arm.
  std::span<const TrainedRun> runs(const std::string& arm) const { return runs_.at(arm); }
  int64_t seeds() const { return seeds_; }

  /// Why the claim has nothing to judge: the first of the arms that is not there ("the profile trains no
  /// head_rms_norm"). Empty: all are there.
  std::string missing(const std::vector<std::string>& needed) const;

  /// One where seeds of a needed arm are left out, and one for every run that did not reach its end: it has no value,
  /// and neither has its arm.
  void note_runs(SeedMeasure& measure) const;

 private:
  void add(const RunsByArm& all, const std::vector<std::string>& arms);

  std::vector<std::string> names_;
  std::map<std::string, std::span<const TrainedRun>> runs_;
  int64_t seeds_ = 0;
  std::vector<std::pair<std::string, int64_t>> trained_;  ///< the needed arms, with how many seeds they have
};

/// What the names of an arm's metrics end with: nothing where the claim judges this arm, "_<arm>" elsewhere.
std::string arm_suffix(const std::string& arm, const std::string& judged);

/// The validation loss at the end of each run, in nats per token; NaN where a run did not reach its end.
std::vector<double> final_losses(std::span<const TrainedRun> runs);
/// (arm - baseline) / baseline of the final losses, per seed.
std::vector<double> relative_losses(std::span<const TrainedRun> arm, std::span<const TrainedRun> baseline);

/// Steps at which an arm's models were kept, by the first of its runs that reached its end; empty without one.
std::vector<int64_t> kept_steps(std::span<const TrainedRun> runs);

/// tokens(step) of each.
std::vector<double> tokens_at(const TrainingResults& training, const std::vector<int64_t>& steps);

/// What was seen of each run of an arm; nothing of one that did not reach its end.
template <typename Seen>
using BySeed = std::vector<std::optional<Seen>>;

/// look(run) for each run that reached its end.
template <typename Look>
auto look_at(std::span<const TrainedRun> runs, Look look) {
  BySeed<decltype(look(runs.front()))> seen;
  for (const auto& run : runs) {
    if (finished(run)) {
      seen.emplace_back(look(run));
    } else {
      seen.emplace_back(std::nullopt);
    }
  }
  return seen;
}

/// One number a seed, NaN where nothing was seen.
template <typename Seen, typename F>
std::vector<double> per_seed(const BySeed<Seen>& seeds, F f) {
  std::vector<double> values;
  for (const auto& seen : seeds) values.push_back(seen ? f(*seen) : std::numeric_limits<double>::quiet_NaN());
  return values;
}

/// `points` numbers a seed.
template <typename Seen, typename F>
std::vector<std::vector<double>> rows_per_seed(const BySeed<Seen>& seeds, size_t points, F f) {
  const std::vector<double> none(points, std::numeric_limits<double>::quiet_NaN());
  std::vector<std::vector<double>> rows;
  for (const auto& seen : seeds) rows.push_back(seen ? f(*seen) : none);
  return rows;
}

/// f(a[i], b[i]) of each seed.
template <typename F>
std::vector<double> paired(const std::vector<double>& a, const std::vector<double>& b, F f) {
  std::vector<double> values;
  for (size_t i = 0; i < a.size(); ++i) values.push_back(f(a[i], b.at(i)));
  return values;
}
inline std::vector<double> differences(const std::vector<double>& a, const std::vector<double>& b) {
  return paired(a, b, [](double x, double y) { return x - y; });
}

std::string brief(double value);  ///< three significant digits, for notes

}  // namespace replicate
