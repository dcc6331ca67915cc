#include "harness/study/mitigation.h"

namespace replicate {

double largest_excess(const TrainedSink& sink) { return sink.by_layer().largest_excess(); }
double layer_mean_dominance(const TrainedSink& sink) { return sink.by_layer().mean_dominance(); }

std::vector<double> beyond_share(const BySeed<TrainedSink>& arm, const BySeed<TrainedSink>& baseline, double share,
                                 double (*f)(const TrainedSink&)) {
  return paired(per_seed(arm, f), per_seed(baseline, f), [&](double a, double b) { return a - share * b; });
}

BySeed<TrainedSink> report_mitigation(TrainingClaim& claim, const std::string& arm) {
  const auto arms = claim.compared({kBaseline, arm});
  const auto tokens = claim.trained().validation(claim.parameters.integer("validation.sequences"), Region::measure);
  const BaselineSink baseline(claim, arms, tokens);
  const auto sinks = last_sinks(claim, arms.runs(arm), tokens);
  claim.report([=, &claim](SeedMeasure& measure) {
    report_runs(claim.trained(), arms, measure);
    baseline.report(claim.parameters.real("sink_excess"), measure);
    const auto judge = [&](const std::string& what, double (*f)(const TrainedSink&)) {
      const double share = claim.parameters.real("allowed." + what);
      measure.judged(what + "_beyond_share", beyond_share(sinks, baseline.last(), share, f));
    };
    judge("excess", largest_excess);
    judge("dominance", layer_mean_dominance);
  });
  return sinks;
}

}  // namespace replicate
