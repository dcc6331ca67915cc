#include "harness/study/measures/mediated_sink.h"

#include <cmath>

#include "base/error.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

constexpr double kNearlyAll = 0.9;  // of the spike's norm

/// The share of what the mask adds to the target's norm after the spike that holding takes away, of means.
double norm_taken(const Mediation& mediation) {
  const auto norm = [&](const TargetSink& pass) {
    return pass.norm->layer(mediation.last_spike + 1).mean().item<double>();
  };
  const double added = norm(mediation.masked) - norm(mediation.untouched);
  return added > 0 ? (norm(mediation.masked) - norm(mediation.held)) / added : std::nan("");
}

}  // namespace

Tensor TargetSink::to_target() const { return mean_over_layers(attention.to_target(), layers); }

double TargetSink::excess() const {
  const double uniform = uniform_attention(attention.target, attention.length);
  return (to_target().mean().item<double>() - uniform) / (1 - uniform);
}

TargetSink watch_target_sink(Run run, const Condition& on, const std::vector<int64_t>& layers, int64_t target) {
  return {watch_target(run, on, target), run.add(watch_norm_at(target)), layers};
}

EditOfSpike hold_at_target(Run untouched, Site site, int64_t target,
                           std::function<std::vector<int64_t>(const StageWriters& writers)> dimensions) {
  return [=](const StageWriters& writers) mutable -> Patch {
    const LayerRange here{writers.spike, writers.spike};
    const auto held = dimensions(writers);
    if (held.empty()) throw Error("the survey names nothing to hold", "mediation", "correct the survey");
    return Transplant{.site = site,
                      .layers = here,
                      .positions = {target},
                      .dimensions = held,
                      .source = untouched.record({{}, site, here, {target}, held})};
  };
}

EditOfSpike hold_super_neurons(Run untouched, int64_t target) {
  return hold_at_target(untouched, Site::hidden, target, [](const StageWriters& writers) { return writers.neurons; });
}

void report_mediation(const Mediation& mediation, const std::string& control, Measure& measure) {
  const auto& on = mediation.on;
  const auto masked = mediation.masked.to_target();
  const auto induced = masked - mediation.untouched.to_target();
  const auto removed = mediation.removed();
  measure.judged("induced_removed_beyond_share", on, removed - mediation.share_of_induced * induced);
  measure.judged("induced_removed", on, removed);
  measure.judged("induced_removed_" + control, on, masked - mediation.control.to_target());
  measure.ratio("induced_removed_share", on, removed, induced);
  measure.value("induced_excess", on, mediation.masked.excess());
  const double taken = norm_taken(mediation);
  measure.value("spike_norm_taken", on, taken);
  if (taken > kNearlyAll) {
    measure.note(
        "Holding removes more than 90% of the norm that the spike gives the target, so a pass says only that "
        "the spike is needed.");
  }
}

}  // namespace replicate
