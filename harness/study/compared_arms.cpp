#include "harness/study/compared_arms.h"

#include <algorithm>

#include "base/number_text.h"

namespace replicate {

bool finished(const TrainedRun& run) { return run.stopped.empty() && !run.curve.empty() && !run.models.empty(); }

namespace {

int64_t seeds_of(const RunsByArm& all, const std::string& arm) {
  const auto found = all.find(arm);
  return found == all.end() ? 0 : static_cast<int64_t>(found->second.size());
}

}  // namespace

ComparedArms::ComparedArms(const RunsByArm& all, const std::vector<std::string>& needed,
                           const std::vector<std::string>& beside) {
  if (seeds_of(all, kBaseline) == 0) return;
  for (const auto& arm : needed) {
    if (const auto seeds = seeds_of(all, arm); seeds > 0) trained_.emplace_back(arm, seeds);
  }
  if (trained_.empty()) return;
  seeds_ = std::ranges::min_element(trained_, {}, [](const auto& arm) { return arm.second; })->second;
  add(all, needed);
  add(all, beside);
}

void ComparedArms::add(const RunsByArm& all, const std::vector<std::string>& arms) {
  for (const auto& arm : arms) {
    if (seeds_of(all, arm) < seeds_) continue;
    names_.push_back(arm);
    runs_[arm] = std::span(all.at(arm)).first(seeds_);
  }
}

std::string ComparedArms::missing(const std::vector<std::string>& needed) const {
  for (const auto& arm : needed) {
    if (has(arm)) continue;
    return "the profile does not train " + arm;
  }
  return {};
}

void ComparedArms::note_runs(SeedMeasure& measure) const {
  for (const auto& [arm, seeds] : trained_) {
    if (seeds == seeds_) continue;
    measure.note("Of the " + std::to_string(seeds) + " seeds of " + arm + " the first " + std::to_string(seeds_) +
                 " are compared: another arm has no more.");
  }
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
