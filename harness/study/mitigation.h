#pragma once

// Do models of another arm attend less to position 0 than the baseline, and does its vector lie in fewer dimensions
// less? Shared by the claims on head-wise RMSNorm, on sigmoid attention and on dense writes.

#include "harness/study/training_checks.h"

namespace replicate {

double largest_excess(const TrainedSink& sink);        ///< of any layer
double layer_mean_dominance(const TrainedSink& sink);  ///< of position 0

/// f(arm) - share f(baseline) of each seed; NaN where one of the two did not reach its end.
std::vector<double> beyond_share(const BySeed<TrainedSink>& arm, const BySeed<TrainedSink>& baseline, double share,
                                 double (*f)(const TrainedSink&));

/// Per seed, at the end of training: the arm's largest excess attention of any layer less the share of the baseline's
/// that is allowed (`excess_beyond_share`; at most the parameter `allowed.excess`), and the same of the dominance of
/// position 0, mean over layers (`dominance_beyond_share`; `allowed.dominance`). Reports what is checked before, too,
/// and returns what is observed of the arm.
BySeed<TrainedSink> report_mitigation(TrainingClaim& claim, const std::string& arm);

}  // namespace replicate
