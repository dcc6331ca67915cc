// Loss curves of every arm (figures 16 and 17), the learning rates that were tried, and each arm's loss less the
// baseline's, also with all arms at the baseline's best rate.
// Cost: none beyond training; only the curves of the runs are read.

#include <algorithm>

#include "harness/study/claim.h"

namespace replicate {
namespace {

constexpr double kNoLoss = std::numeric_limits<double>::quiet_NaN();
constexpr double kSteepShare = 0.2;  // of training

using Points = std::vector<CurvePoint>;
using LossAt = double CurvePoint::*;

std::vector<double> final_train_losses(std::span<const TrainedRun> runs) {
  std::vector<double> losses;
  for (const auto& run : runs) losses.push_back(finished(run) ? run.curve.back().train_loss : kNoLoss);
  return losses;
}

/// An arm's losses at every point of the longest curve among its runs; NaN where a run has no such point.
std::vector<std::vector<double>> on_grid(std::span<const TrainedRun> runs, const Points& grid, LossAt loss) {
  std::vector<std::vector<double>> rows;
  for (const auto& run : runs) {
    std::vector<double> row(grid.size(), kNoLoss);
    for (size_t i = 0; i < std::min(grid.size(), run.curve.size()); ++i) row[i] = run.curve[i].*loss;
    rows.push_back(std::move(row));
  }
  return rows;
}

const Points& longest_curve(std::span<const TrainedRun> runs) {
  return std::ranges::max_element(runs, {}, [](const TrainedRun& run) { return run.curve.size(); })->curve;
}

/// Of the points from `first` on.
std::vector<double> tokens_of(const TrainingResults& training, const Points& grid, size_t first) {
  std::vector<double> tokens;
  for (const auto& point : std::span(grid).subspan(first)) tokens.push_back(training.tokens(point.step));
  return tokens;
}

void drop_first(std::vector<std::vector<double>>& rows, size_t count) {
  for (auto& row : rows) row.erase(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(count));
}

void report_scale(const TrainingResults& training, int64_t seeds, SeedMeasure& measure) {
  const double tokens = training.tokens(training.steps);
  const auto weights = static_cast<double>(parameters(training.config));
  measure.value("seeds", static_cast<double>(seeds));
  measure.value("parameters", weights);
  measure.value("tokens_per_run", tokens);
  measure.value("tokens_per_parameter", tokens / weights);
}

void report_loss_curves(const TrainingResults& training, const std::string& arm, std::span<const TrainedRun> runs,
                        SeedMeasure& measure) {
  const auto& grid = longest_curve(runs);
  if (grid.size() < 2) return;
  measure.curve("validation_loss", arm, "tokens", tokens_of(training, grid, 0),
                on_grid(runs, grid, &CurvePoint::validation_loss));
  auto rows = on_grid(runs, grid, &CurvePoint::train_loss);
  drop_first(rows, 1);  // there is no train loss at step 0
  measure.curve("train_loss", arm, "tokens", tokens_of(training, grid, 1), rows);
}

void report_rates(const std::string& arm, const std::vector<RateTrial>& trials, SeedMeasure& measure) {
  std::vector<double> x, y;
  for (const auto& trial : trials) {
    x.push_back(trial.learning_rate);
    y.push_back(trial.validation_loss);
  }
  if (!x.empty()) measure.curve("rate_sweep", arm, "learning_rate", x, {y});
}

/// What an arm came to by itself, and its curves.
void report_losses(const TrainingResults& training, const std::string& arm, std::span<const TrainedRun> runs,
                   SeedMeasure& measure) {
  measure.mean("final_validation_loss_" + arm, final_losses(runs));
  measure.mean("final_train_loss_" + arm, final_train_losses(runs));
  measure.value("learning_rate_" + arm, runs.front().recipe.learning_rate);
  report_loss_curves(training, arm, runs, measure);
  const auto trials = training.rates.find(arm);
  if (trials != training.rates.end()) report_rates(arm, trials->second, measure);
}

void report_loss_differences(const ComparedArms& arms, const std::string& arm, const std::string& suffix,
                             SeedMeasure& measure) {
  const auto difference = [&](auto losses) {
    return differences(losses(arms.runs(arm)), losses(arms.runs(kBaseline)));
  };
  measure.mean("final_loss_difference" + suffix, difference(final_losses));
  measure.mean("final_train_loss_difference" + suffix, difference(final_train_losses));
}

/// How many of the points lie in the steep part.
size_t steep_points(const TrainingResults& training, const Points& grid) {
  return std::ranges::count_if(grid, [&](const CurvePoint& point) {
    return static_cast<double>(point.step) < kSteepShare * static_cast<double>(training.steps);
  });
}

/// Loss less the baseline's at the same step, paired by seed, once the steep part is over: there the arms lie too
/// close together to be told apart in the plain curves.
void report_difference_curve(const TrainingResults& training, const ComparedArms& arms, const std::string& arm,
                             SeedMeasure& measure) {
  const auto& grid = longest_curve(arms.runs(kBaseline));
  const auto first = steep_points(training, grid);
  if (first == grid.size()) return;
  auto rows = on_grid(arms.runs(arm), grid, &CurvePoint::validation_loss);
  const auto theirs = on_grid(arms.runs(kBaseline), grid, &CurvePoint::validation_loss);
  for (size_t seed = 0; seed < rows.size(); ++seed) rows[seed] = differences(rows[seed], theirs[seed]);
  drop_first(rows, first);
  measure.curve("validation_loss_difference", arm, "tokens", tokens_of(training, grid, first), rows);
}

void report_own_rates(const TrainingResults& training, const ComparedArms& arms, SeedMeasure& measure) {
  for (const auto& arm : arms.names()) report_losses(training, arm, arms.runs(arm), measure);
  for (const auto& arm : arms.names()) {
    if (arm == kBaseline) continue;
    report_loss_differences(arms, arm, arm_suffix(arm, kHeadRmsNorm), measure);
    report_difference_curve(training, arms, arm, measure);
  }
}

/// The baseline's repetition is at this rate anyway.
void report_shared_rate(const ComparedArms& arms, SeedMeasure& measure) {
  for (const auto& arm : arms.names()) {
    if (arm == kBaseline || arm == kBaselineAgain) continue;
    report_loss_differences(arms, arm, arm_suffix(arm, kHeadRmsNorm) + "_shared_rate", measure);
  }
}

void losses_by_arm(TrainingClaim& claim) {
  const auto& training = claim.trained();
  const auto own = claim.all_arms(training.own_rate), shared = claim.all_arms(training.shared_rate);
  claim.report([=, &training](SeedMeasure& measure) {
    report_scale(training, own.seeds(), measure);
    report_own_rates(training, own, measure);
    report_shared_rate(shared, measure);
  });
}

REPLICATE_DESCRIPTION(convergence_speedup, losses_by_arm);

}  // namespace
}  // namespace replicate
