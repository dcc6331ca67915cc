#include "harness/study/compared_arms.h"

#include "base/number_text.h"

namespace replicate {

bool finished(const TrainedRun& run) { return run.stopped.empty() && !run.curve.empty() && !run.models.empty(); }

ComparedArms::ComparedArms(const RunsByArm& all, const std::vector<std::string>& wanted) {
  const auto baseline = all.find(kBaseline);
  if (baseline == all.end() || baseline->second.empty()) return;
  const auto count = baseline->second.size();
  seeds_ = static_cast<int64_t>(count);
  for (const auto& arm : wanted) {
    const auto found = all.find(arm);
    if (found == all.end() || found->second.size() < count) continue;
    names_.push_back(arm);
    runs_[arm] = std::span(found->second).first(count);
  }
}

std::string ComparedArms::missing(const std::vector<std::string>& needed) const {
  for (const auto& arm : needed) {
    if (has(arm)) continue;
    return "the profile trains no " + arm + (arm == kBaseline ? "" : ", or fewer seeds of it than of the baseline");
  }
  return {};
}

void ComparedArms::note_stopped(SeedMeasure& measure) const {
  for (const auto& arm : names_) {
    for (size_t i = 0; i < runs_.at(arm).size(); ++i) {
      const auto& run = runs_.at(arm)[i];
      if (finished(run)) continue;
      measure.note("Seed " + std::to_string(i + 1) + " of " + arm + " did not reach its end" +
                   (run.stopped.empty() ? "" : ": " + run.stopped) + ".");
    }
  }
}

std::string arm_suffix(const std::string& arm, const std::string& judged) { return arm == judged ? "" : "_" + arm; }

std::vector<double> final_losses(std::span<const TrainedRun> runs) {
  std::vector<double> losses;
  for (const auto& run : runs) {
    losses.push_back(finished(run) ? run.final_loss() : std::numeric_limits<double>::quiet_NaN());
  }
  return losses;
}

std::vector<double> relative_losses(std::span<const TrainedRun> arm, std::span<const TrainedRun> baseline) {
  return paired(final_losses(arm), final_losses(baseline), [](double a, double b) { return (a - b) / b; });
}

std::vector<int64_t> kept_steps(std::span<const TrainedRun> runs) {
  std::vector<int64_t> steps;
  for (const auto& run : runs) {
    if (!finished(run)) continue;
    for (const auto& kept : run.models) steps.push_back(kept.step);
    break;
  }
  return steps;
}

std::vector<double> tokens_at(const TrainingResults& training, const std::vector<int64_t>& steps) {
  std::vector<double> tokens;
  for (const auto step : steps) tokens.push_back(training.tokens(step));
  return tokens;
}

std::string brief(double value) { return significant_text(value, 3); }

}  // namespace replicate
