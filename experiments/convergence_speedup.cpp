// Head-wise RMSNorm trains to a lower loss than the baseline after as many tokens, and to the baseline's loss in fewer
// (paper, figures 16 and 17: validation loss 2.7421 against 2.7812, 1.4% less). Every arm runs at its own best learning
// rate. Constant gains, which have the norm's scale alone, and the baseline with other initial weights stand beside it.
// Cost: none beyond training; only the curves of the runs are read.

#include <cmath>

#include "harness/study/training_checks.h"

namespace replicate {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

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

/// Log of the tokens in which the arm first reaches the loss that the baseline has at the end of its constant rate,
/// over those in which the baseline first does: noise in a curve brings both there early. `never`: the ratio of an arm
/// that never does, by however little, so that at equal losses the mean over seeds lies above 0.
double log_tokens_ratio(const Curve& arm, const Curve& baseline, double never) {
  const double target = baseline.back().validation_loss;
  const double reached = steps_to_loss(arm, target);
  return std::log(std::isnan(reached) ? never : reached / steps_to_loss(baseline, target));
}

/// By seed; NaN where one of the two did not reach its end.
std::vector<double> log_tokens_ratios(const TrainingResults& training, std::span<const TrainedRun> arm,
                                      std::span<const TrainedRun> baseline, double never) {
  std::vector<double> ratios;
  for (size_t i = 0; i < arm.size(); ++i) {
    const bool both = finished(arm[i]) && finished(baseline[i]);
    ratios.push_back(both ? log_tokens_ratio(before_decay(arm[i], training), before_decay(baseline[i], training), never)
                          : kNone);
  }
  return ratios;
}

void convergence_speedup(TrainingClaim& claim) {
  const auto arms = claim.compared({kBaseline, kHeadRmsNorm});
  const ComparedArms all(claim.trained().own_rate, {kBaseline, kHeadRmsNorm}, {kConstantGain, kBaselineAgain});
  claim.report([=, &claim](SeedMeasure& measure) {
    report_runs(claim.trained(), arms, measure);
    report_headroom(claim.trained(), arms, measure);
    const double never = claim.parameters.real("never_reached");
    for (const auto& arm : all.names()) {
      if (arm == kBaseline) continue;
      const auto suffix = arm_suffix(arm, kHeadRmsNorm);
      measure.judged("relative_loss_difference" + suffix, relative_losses(all.runs(arm), all.runs(kBaseline)));
      measure.judged("log_tokens_to_baseline_loss" + suffix,
                     log_tokens_ratios(claim.trained(), all.runs(arm), all.runs(kBaseline), never));
    }
  });
}

REPLICATE_CLAIM(convergence_speedup, "never_reached");

}  // namespace
}  // namespace replicate
