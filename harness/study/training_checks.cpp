#include "harness/study/training_checks.h"

#include <algorithm>

namespace replicate {
namespace {

constexpr double kUndecided = std::numeric_limits<double>::quiet_NaN();
constexpr double kAboveAll = std::numeric_limits<double>::infinity();

/// A seed counts once, however many of its runs diverged.
int64_t diverged_seeds(const ComparedArms& arms) {
  int64_t count = 0;
  for (int64_t seed = 0; seed < arms.seeds(); ++seed) {
    count += std::ranges::any_of(arms.names(), [&](const std::string& arm) { return !finished(arms.runs(arm)[seed]); });
  }
  return count;
}

/// The lowest loss at some of the rates; infinite where there are none or all diverged.
double lowest(std::span<const RateTrial> trials) {
  double low = kAboveAll;
  for (const auto& trial : trials) {
    if (!std::isnan(trial.validation_loss)) low = std::min(low, trial.validation_loss);
  }
  return low;
}

double gain_at_edge(std::span<const RateTrial> trials) {
  if (trials.size() < 3) return kUndecided;
  const double inside = lowest(trials.subspan(1, trials.size() - 2));
  const double edge = std::min(lowest(trials.first(1)), lowest(trials.last(1)));
  if (inside == kAboveAll) return kUndecided;
  return edge < inside ? (inside - edge) / inside : 0;
}

double largest_gain_at_edge(const TrainingResults& training, const ComparedArms& arms) {
  double largest = 0;
  for (const auto& arm : arms.names()) {
    const auto trials = training.rates.find(arm);
    const double gain = trials == training.rates.end() ? kUndecided : gain_at_edge(trials->second);
    if (std::isnan(gain)) return kUndecided;
    largest = std::max(largest, gain);
  }
  return largest;
}

/// The lowest known loss, or that of a run of these arms where it is lower. Other arms have no say: which of them were
/// trained depends on what else was asked for.
double lowest_loss(double known, const ComparedArms& arms) {
  if (!(known > 0)) return kUndecided;
  double low = known;
  for (const auto& arm : arms.names()) {
    for (const auto& run : arms.runs(arm)) {
      for (const auto& point : run.curve) low = std::min(low, point.validation_loss);
    }
  }
  return low;
}

std::vector<double> mean_dominances(const BySeed<TrainedSink>& seeds) {
  return present(per_seed(seeds, [](const TrainedSink& sink) { return sink.by_layer().mean_dominance(); }));
}

}  // namespace

void report_runs(const TrainingResults& training, const ComparedArms& arms, SeedMeasure& measure) {
  measure.value("diverged_seeds", static_cast<double>(diverged_seeds(arms)));
  measure.value("gain_at_edge_of_rates", largest_gain_at_edge(training, arms));
  arms.note_runs(measure);
}

void report_headroom(const TrainingResults& training, const ComparedArms& arms, SeedMeasure& measure) {
  const double known = training.lowest_known_loss;
  const double loss = mean(present(final_losses(arms.runs(kBaseline))));
  measure.value("lowest_known_loss", known);
  measure.value("headroom", (loss - lowest_loss(known, arms)) / loss);
}

BaselineSink::BaselineSink(TrainingClaim& claim, const ComparedArms& arms, const Tokens& tokens)
    : first_(look_at(arms.runs(kBaseline),
                     [&](const TrainedRun& run) { return TrainedSink(claim, run.first(), tokens); })),
      last_(last_sinks(claim, arms.runs(kBaseline), tokens)) {}

void BaselineSink::report(double least_excess, SeedMeasure& measure) const {
  const auto largest = per_seed(last_, [](const TrainedSink& sink) { return sink.by_layer().largest_excess(); });
  const auto with_sink = std::ranges::count_if(largest, [&](double excess) { return excess >= least_excess; });
  measure.value("baseline_seeds_with_sink", static_cast<double>(with_sink));
  measure.value("baseline_dominance_growth", mean(mean_dominances(last_)) / mean(mean_dominances(first_)));
}

}  // namespace replicate
