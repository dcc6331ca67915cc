// Head-wise RMSNorm reaches a lower loss than the baseline after as many tokens (paper, figures 16 and 17: validation
// loss 2.7812 -> 2.7421, train loss 2.7483 -> 2.7073). Every arm runs at its own best learning rate; the same at the
// baseline's best rate, and the baseline against itself with other initial weights, stand beside it.
// Cost: none beyond training; only the curves of the runs are read.

#include "harness/study/claim.h"

namespace replicate {
namespace {

constexpr const char* kPrimary = "head_rms_norm";
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

constexpr double kSteepShare = 0.2;  // of training

using Curve = std::vector<CurvePoint>;

/// The points of the warm-up and the constant rate: after them the decay lowers every loss by itself.
Curve before_decay(const TrainedRun& run, const TrainingResults& training) {
  Curve points;
  for (const auto& point : run.curve) {
    if (point.step <= training.steps - training.decay_steps) points.push_back(point);
  }
  return points;
}

/// Steps, interpolated linearly, after which the validation loss is first as low as this; NaN when it never is.
double steps_to_loss(const Curve& curve, double loss) {
  for (size_t i = 0; i < curve.size(); ++i) {
    if (!(curve[i].validation_loss <= loss)) continue;
    if (i == 0) return 0;
    const auto& above = curve[i - 1];
    const double share = (above.validation_loss - loss) / (above.validation_loss - curve[i].validation_loss);
    return static_cast<double>(above.step) + share * static_cast<double>(curve[i].step - above.step);
  }
  return kNone;
}

/// Tokens in which the arm reaches the loss that the baseline has at the end of its constant rate, over those that
/// the baseline needs; where it never gets there, the same for the loss that the arm has at that end, which the
/// baseline reached before: above one. Both count to where they *first* reach it, so that noise favours neither.
double tokens_ratio(const Curve& arm, const Curve& baseline) {
  if (arm.empty() || baseline.empty()) return kNone;
  const double target = baseline.back().validation_loss, own = arm.back().validation_loss;
  const double reached = steps_to_loss(arm, target);
  if (!std::isnan(reached)) return reached / steps_to_loss(baseline, target);
  return steps_to_loss(arm, own) / steps_to_loss(baseline, own);
}

double median_step_seconds(const TrainedRun& run) {
  std::vector<double> seconds;
  for (size_t i = 1; i < run.curve.size(); ++i) {
    const auto steps = static_cast<double>(run.curve[i].step - run.curve[i - 1].step);
    seconds.push_back((run.curve[i].seconds - run.curve[i - 1].seconds) / steps);
  }
  return median(std::move(seconds));
}

double final_validation_loss(const TrainedRun& run) { return finished(run) ? run.final_loss() : kNone; }
double final_train_loss(const TrainedRun& run) { return finished(run) ? run.curve.back().train_loss : kNone; }

/// f(run) of each seed.
std::vector<double> of_runs(std::span<const TrainedRun> runs, double (*f)(const TrainedRun&)) {
  std::vector<double> values;
  for (const auto& run : runs) values.push_back(f(run));
  return values;
}

/// One of an arm's values at every point of the longest curve among its runs; NaN where a run has no such point.
std::vector<std::vector<double>> on_grid(std::span<const TrainedRun> runs, const Curve& grid,
                                         double CurvePoint::*value) {
  std::vector<std::vector<double>> rows;
  for (const auto& run : runs) {
    std::vector<double> row(grid.size(), kNone);
    for (size_t i = 0; i < std::min(grid.size(), run.curve.size()); ++i) row[i] = run.curve[i].*value;
    rows.push_back(std::move(row));
  }
  return rows;
}

const Curve& longest_curve(std::span<const TrainedRun> runs) {
  return std::max_element(runs.begin(), runs.end(),
                          [](const TrainedRun& a, const TrainedRun& b) { return a.curve.size() < b.curve.size(); })
      ->curve;
}

void report_scale(const TrainingResults& training, int64_t seeds, SeedMeasure& measure) {
  const double tokens = training.tokens(training.steps);
  const auto weights = static_cast<double>(parameters(training.config));
  measure.value("seeds", static_cast<double>(seeds));
  measure.value("parameters", weights);
  measure.value("tokens_per_run", tokens);
  measure.value("tokens_per_parameter", tokens / weights);
}

void report_curves(const TrainingResults& training, const std::string& arm, std::span<const TrainedRun> runs,
                   SeedMeasure& measure) {
  const auto& grid = longest_curve(runs);
  if (grid.empty()) return;
  std::vector<double> tokens;
  for (const auto& point : grid) tokens.push_back(training.tokens(point.step));
  measure.curve("validation_loss", arm, "tokens", tokens, on_grid(runs, grid, &CurvePoint::validation_loss));
  auto rows = on_grid(runs, grid, &CurvePoint::train_loss);  // none at step 0
  for (auto& row : rows) row.erase(row.begin());
  tokens.erase(tokens.begin());
  if (!tokens.empty()) measure.curve("train_loss", arm, "tokens", tokens, rows);
}

void report_rates(const std::string& arm, const std::vector<RateTrial>& trials, double best, SeedMeasure& measure) {
  std::vector<double> x, y;
  for (const auto& trial : trials) {
    x.push_back(trial.learning_rate);
    y.push_back(trial.validation_loss);
  }
  if (x.empty()) return;
  measure.curve("rate_sweep", arm, "learning_rate", x, {y});
  if (x.size() < 2 || (best != x.front() && best != x.back())) return;
  measure.note("The best learning rate of " + arm + ", " + brief(best) + ", is the " +
               (best == x.front() ? "lowest" : "highest") + " that was tried: a better one may lie beyond it.");
}

/// What an arm came to by itself, and its curves.
void report_arm(const TrainingResults& training, const std::string& arm, std::span<const TrainedRun> runs,
                SeedMeasure& measure) {
  const auto rate = runs.front().recipe.learning_rate;
  measure.mean("final_validation_loss_" + arm, of_runs(runs, final_validation_loss));
  measure.mean("final_train_loss_" + arm, of_runs(runs, final_train_loss));
  measure.value("learning_rate_" + arm, rate);
  report_curves(training, arm, runs, measure);
  const auto trials = training.rates.find(arm);
  if (trials != training.rates.end()) report_rates(arm, trials->second, rate, measure);
}

/// By seed; NaN where one of the two did not reach its end.
std::vector<double> tokens_ratios(const TrainingResults& training, std::span<const TrainedRun> ours,
                                  std::span<const TrainedRun> theirs) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) {
    const bool both = finished(ours[i]) && finished(theirs[i]);
    ratios.push_back(both ? tokens_ratio(before_decay(ours[i], training), before_decay(theirs[i], training)) : kNone);
  }
  return ratios;
}

/// An arm against the baseline: losses, and tokens and seconds to the baseline's loss.
void report_difference(const TrainingResults& training, const ComparedArms& arms, const std::string& arm,
                       const std::string& suffix, SeedMeasure& measure) {
  const auto ours = arms.runs(arm), theirs = arms.runs(kBaseline);
  const auto difference = [&](double (*f)(const TrainedRun&)) {
    return differences(of_runs(ours, f), of_runs(theirs, f));
  };
  const auto tokens = tokens_ratios(training, ours, theirs);
  const auto slower =
      paired(of_runs(ours, median_step_seconds), of_runs(theirs, median_step_seconds), std::divides<>());
  measure.mean("final_loss_difference" + suffix, difference(final_validation_loss));
  measure.mean("tokens_to_baseline_loss_ratio" + suffix, tokens);
  measure.mean("seconds_to_baseline_loss_ratio" + suffix, paired(tokens, slower, std::multiplies<>()));
  measure.mean("final_train_loss_difference" + suffix, difference(final_train_loss));
}

/// How many of the points lie in the steep part.
size_t steep_points(const TrainingResults& training, const Curve& grid) {
  return std::ranges::count_if(grid, [&](const CurvePoint& point) {
    return static_cast<double>(point.step) < kSteepShare * static_cast<double>(training.steps);
  });
}

/// Loss less the baseline's at the same step, paired by seed, once the steep part is over: there the arms lie too
/// close together to be told apart in the plain curves.
void report_difference_curve(const TrainingResults& training, const ComparedArms& arms, const std::string& arm,
                             SeedMeasure& measure) {
  const auto& grid = longest_curve(arms.runs(kBaseline));
  const auto first = static_cast<std::ptrdiff_t>(steep_points(training, grid));
  std::vector<double> tokens;
  for (const auto& point : std::span(grid).subspan(first)) tokens.push_back(training.tokens(point.step));
  if (tokens.empty()) return;
  auto rows = on_grid(arms.runs(arm), grid, &CurvePoint::validation_loss);
  const auto theirs = on_grid(arms.runs(kBaseline), grid, &CurvePoint::validation_loss);
  for (size_t seed = 0; seed < rows.size(); ++seed) {
    rows[seed] = differences(rows[seed], theirs[seed]);
    rows[seed].erase(rows[seed].begin(), rows[seed].begin() + first);
  }
  measure.curve("validation_loss_difference", arm, "tokens", tokens, rows);
}

/// How far two sets of runs of one recipe lie apart.
void report_equivalence(const ComparedArms& own, double margin, SeedMeasure& measure) {
  measure.value("equivalence_margin", margin);
  if (!own.has(kBaselineAgain)) return;
  const auto interval = t_interval(differences(of_runs(own.runs(kBaselineAgain), final_validation_loss),
                                               of_runs(own.runs(kBaseline), final_validation_loss)));
  if (std::isnan(interval.low)) return;
  const bool within = -margin < interval.low && interval.high < margin;
  measure.note("The baseline against itself with other initial weights: final validation loss " +
               brief(interval.value) + " [" + brief(interval.low) + ", " + brief(interval.high) + "] nats, " +
               (within ? "within" : "not within") + " the margin of " + brief(margin) + ".");
}

std::string suffix_of(const std::string& arm) { return arm == kPrimary ? "" : "_" + arm; }

void report_own_rates(const TrainingResults& training, const ComparedArms& own, SeedMeasure& measure) {
  for (const auto& arm : own.names()) report_arm(training, arm, own.runs(arm), measure);
  for (const auto& arm : own.names()) {
    if (arm == kBaseline) continue;
    report_difference(training, own, arm, suffix_of(arm), measure);
    report_difference_curve(training, own, arm, measure);
  }
}

void report_shared_rate(const TrainingResults& training, const ComparedArms& shared, SeedMeasure& measure) {
  for (const auto& arm : shared.names()) {
    if (arm == kBaseline || arm == kBaselineAgain) continue;  // at their own best rate they already are
    report_difference(training, shared, arm, suffix_of(arm) + "_shared_rate", measure);
  }
}

void convergence_speedup(TrainingClaim& claim) {
  const auto& training = claim.trained();
  const ComparedArms own(training.own_rate, claim.arms), shared(training.shared_rate, claim.arms);
  claim.report([=, &training, margin = claim.parameters.real("equivalence_margin")](SeedMeasure& measure) {
    report_scale(training, own.seeds(), measure);
    report_own_rates(training, own, measure);
    report_shared_rate(training, shared, measure);
    report_equivalence(own, margin, measure);
    own.note_stopped(measure);
  });
  if (const auto missing = own.missing({kBaseline, kPrimary}); !missing.empty()) Claim::unmet(missing);
}

REPLICATE_CLAIM(convergence_speedup, "equivalence_margin");

}  // namespace
}  // namespace replicate
