// Other positions than the first draw attention, too. By the paper's account they would be those whose attention output
// varies more than their neighbours': the one cause of the sink, at work where it is weaker (beyond the paper).
// Over all positions but the first, the deviation of head outputs before the onset is taken for a score, and asked how
// well it tells secondary sinks from the rest.
// Cost: one forward pass per condition.

#include "harness/study/claim.h"
#include "harness/study/measures/output_deviation.h"
#include "harness/study/measures/separation.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

/// What is looked at: positions from 1 on that enough later queries see.
struct Positions {
  int64_t length, queries;

  int64_t count() const { return length - queries - 1; }
};

/// Excess attention to each position, mean over heads: [b, P].
std::shared_ptr<Watch> watch_excess(const Positions& positions) {
  return watch_attention({.received = true}, [positions](const AttentionStatistics& statistics) {
    const auto received = statistics.received.mean(1, false, at::kDouble).slice(1, 1, positions.count() + 1);
    const auto queries = at::arange(1, positions.length + 1, received.options()).reciprocal();  // 1 / (q + 1)
    const auto later = positions.length - 1 - at::arange(1, positions.count() + 1, received.options());
    const auto after = (queries.sum() - queries.cumsum(0)).slice(0, 1, positions.count() + 1);
    const auto uniform = after / later;  // [P]
    return (received / later - uniform) / (1 - uniform);
  });
}

/// `is_judged`: on other inputs too few secondary sinks leave no value.
void report_separation(const Condition& on, const Tensor& deviation, const Tensor& secondary, int64_t needed,
                       bool is_judged, Measure& measure) {
  const Separation separation(deviation, secondary);
  measure.value("secondary_sinks", on, static_cast<double>(separation.marked()));
  if (separation.marked() < needed) {
    if (is_judged) measure.inapplicable("too few secondary sinks to tell");
    return;
  }
  measure.judged_population("secondary_sink_auc", on,
                            [&](const Tensor& weights) { return separation.auc(weights).unsqueeze(1); }, {0, 1});
}

void position_bias(Claim& claim) {
  const auto sinks = claim.sinks();
  const auto onset = sinks.front();
  const auto least = claim.parameters.real("secondary_excess");
  const auto needed = claim.parameters.integer("secondary_sinks"), queries = claim.parameters.integer("queries");
  if (onset == 1) Claim::unmet("the sink begins in layer 1: no layer comes before it");
  bool is_judged = true;
  for (const auto& on : claim.conditions()) {
    const Positions positions{on.length(), queries};
    if (positions.count() < 1) Claim::unmet("no position is seen by enough later queries");
    auto run = claim.run(on);
    const auto excess = run.add(only_in(sinks, watch_excess(positions)));  // [B, P] per layer
    const auto deviation = run.add(std::make_shared<OutputDeviation>(onset - 1));
    claim.report([=](Measure& measure) {
      const auto seen = deviation->log_distance().slice(1, 1, positions.count() + 1);  // [B, P]
      report_separation(on, seen, excess->layers().mean(1) >= least, needed, is_judged, measure);
    });
    is_judged = false;
  }
}

REPLICATE_CLAIM(position_bias, "judged_on", "natural", "random", "secondary_excess", "secondary_sinks", "queries");

}  // namespace
}  // namespace replicate
