#pragma once

// What the YAML of a training claim checks before it judges: are the runs there, were their learning rates well chosen,
// had the baseline anything left to gain, and does it have the sink that the claim is about? All are point estimates.

#include "harness/study/measures/trained_sink.h"

namespace replicate {

/// - `diverged_seeds`: seeds of which one of the arms did not reach its end.
/// - `gain_at_edge_of_rates`: by how much an arm's loss is lower at the lowest or highest learning rate that was tried
///   than at the best rate between them, as a share of the loss at the latter; the largest of the arms, 0 where every
///   best rate lies between. NaN where an arm has no rate between.
void report_runs(const TrainingResults& training, const ComparedArms& arms, SeedMeasure& measure);

/// - `lowest_known_loss`: of the regime; 0 where none is known.
/// - `headroom`: the baseline's final loss less that one, or less the lowest that a run of these arms had where that is
///   lower, as a share of the former. Near 0 the task is exhausted, and a difference of losses says nothing. NaN where
///   none is known: the arms that are compared cannot say what is left to gain, since their gain is what is judged.
void report_headroom(const TrainingResults& training, const ComparedArms& arms, SeedMeasure& measure);

/// The baseline at the end of training, and its dominance before it.
class BaselineSink {
 public:
  BaselineSink(TrainingClaim& claim, const ComparedArms& arms, const Tokens& tokens);

  const BySeed<TrainedSink>& last() const { return last_; }

  /// - `baseline_seeds_with_sink`: seeds whose largest excess attention of any layer is at least this.
  /// - `baseline_dominance_growth`: dominance of position 0 at the end over that of the same runs' initial weights,
  /// each
  ///   the mean over layers and seeds.
  void report(double least_excess, SeedMeasure& measure) const;

 private:
  BySeed<TrainedSink> first_, last_;
};

}  // namespace replicate
