#include "harness/study/mediation.h"

#include <cmath>

#include "base/error.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/sink_under_edits.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

TargetPass observe_target(Claim& claim, const Condition& on, std::vector<Patch> patches) {
  auto run = claim.run(on, std::move(patches));
  return {run, watch_target(run, on, target_of(claim)), run.add(watch_norm_at(target_of(claim)))};
}

InducedSink induce(Claim& claim, const Condition& on, std::vector<Patch> patches, const TargetPass& untouched) {
  const auto induced = observe_target(claim, on, patches);
  return {on, std::move(patches), untouched, induced};
}

/// The values at `positions` become what `combine` makes of those of the recorded positions of the untouched pass.
Transplant from_untouched(Run untouched, const Mediators& mediators, int64_t layer,
                          const std::vector<int64_t>& recorded, const std::vector<int64_t>& positions,
                          Combine combine) {
  if (mediators.dimensions.empty()) {  // which would select every index
    throw Error("the survey names nothing to hold", "mediation", "correct the survey");
  }
  const LayerRange here{layer, layer};
  return {.site = mediators.site,
          .layers = here,
          .positions = positions,
          .dimensions = mediators.dimensions,
          .source = untouched.record({{}, mediators.site, here, recorded, mediators.dimensions}),
          .combine = combine};
}

Patch clamp(const Claim& claim, const InducedSink& sink, int64_t layer, const Mediators& mediators) {
  const std::vector<int64_t> target{target_of(claim)};
  return from_untouched(sink.untouched.run, mediators, layer, target, target, Combine::each);
}

// --- What is reported -----------------------------------------------------------------------------------------

void report_series(const std::string& ending, const Condition& on, const TargetPass& pass, Measure& measure) {
  measure.by_layer("attention_to_target_" + ending, on, pass.attention.to_target(), on.layers());
  measure.by_layer("target_norm_" + ending, on, pass.norm->layers(), on.layers());
}

void report_induced(Claim& claim, const InducedSink& sink) {
  claim.report([sink](Measure& measure) {
    if (sink.on.suffix.empty()) report_series("untouched", sink.on, sink.untouched, measure);
    report_series("induced", sink.on, sink.induced, measure);
  });
}

/// A pass with something held, and the ending of its names.
struct HeldPass {
  std::string ending;  // "clamped", "clamped_matched"
  TargetPass pass;
};

/// Fraction of the effect that is removed; NaN where there was no effect.
double removed(double untouched, double induced, double clamped) {
  return induced > untouched ? 1 - (clamped - untouched) / (induced - untouched) : std::nan("");
}

/// From the means of attention and norm by turns, pass by pass (untouched, induced, then those with something
/// held): what each of the latter removes of either, and the means themselves from pass `shown` on.
OfMeans shares_and_means(size_t shown) {
  return [shown](std::span<const double> means) {
    std::vector<double> all;
    for (size_t i = 4; i < means.size(); ++i) {
      all.push_back(removed(means[i % 2], means[2 + i % 2], means[i]));
    }
    all.insert(all.end(), means.begin() + static_cast<std::ptrdiff_t>(2 * shown), means.end());
    return all;
  };
}

/// Columns of samples, attention and norm of each pass by turns.
std::vector<SampleColumn> columns_of(const std::vector<HeldPass>& passes, const std::string& suffix) {
  std::vector<SampleColumn> columns;
  for (const auto& one : passes) {
    columns.push_back({"attention_to_target_" + one.ending + suffix});
    columns.push_back({"target_norm_" + one.ending + suffix});
  }
  return columns;
}

/// The same passes' values: attention over the sink layers after the spike, and the norm that it leaves, [B, columns].
Tensor values_of(const std::vector<HeldPass>& passes, int64_t spike, const SinkProfile& sinks) {
  std::vector<Tensor> values;
  for (const auto& one : passes) {
    values.push_back(mean_over_layers(one.pass.attention.to_target(), sinks.sink_layers_after(spike)));
    values.push_back(one.pass.norm->layer(spike + 1));
  }
  return at::stack(values, 1);
}

/// The shares that are gone of the induced attention and of the norm that the spike gave the target, and what
/// they are shares of, all means resampled together.
void report_removal(const InducedSink& sink, const std::vector<HeldPass>& held, const std::string& suffix,
                    int64_t spike, const SinkProfile& sinks, Measure& measure) {
  std::vector<HeldPass> passes{{"untouched", sink.untouched}, {"induced", sink.induced}};
  passes.insert(passes.end(), held.begin(), held.end());
  const auto columns = columns_of(passes, suffix);
  std::vector<std::string> names;
  for (const auto& one : held) {
    const auto which = one.ending.substr(std::string("clamped").size()) + suffix;
    names.insert(names.end(), {"attention_removed" + which, "norm_removed" + which});
  }
  // Where the layers are those of the judged ones, the first two passes are reported already.
  const size_t shown = suffix.empty() || spike != sinks.dominant_spike ? 0 : 2;
  for (size_t i = 2 * shown; i < columns.size(); ++i) names.push_back(columns[i].name);
  measure.of_means(names, sink.on, columns, values_of(passes, spike, sinks), shares_and_means(shown));
}

void report_held(Claim& claim, const InducedSink& sink, const std::vector<HeldPass>& held, const std::string& suffix,
                 int64_t spike) {
  claim.report([=, sinks = claim.survey.sinks](Measure& measure) {
    for (const auto& one : held) report_series(one.ending + suffix, sink.on, one.pass, measure);
    report_removal(sink, held, suffix, spike, sinks, measure);
  });
}

/// The target sees only itself in every layer. `id` names the claim in errors.
InducedSink induce_by_mask(Claim& claim, const std::string& id, const Condition& on) {
  const auto target = target_of(claim);
  check_target(target, on, id);
  const auto untouched = observe_target(claim, on, {});
  auto sink = induce(claim, on, {only_itself(target, {1, claim.config().layers})}, untouched);
  report_induced(claim, sink);
  return sink;
}

TargetPass hold_also(Claim& claim, const InducedSink& sink, const std::vector<Patch>& clamps) {
  auto patches = sink.patches;
  patches.insert(patches.end(), clamps.begin(), clamps.end());
  return observe_target(claim, sink.on, std::move(patches));
}

// --- The steps around the judged ones -------------------------------------------------------------------------

/// None where the sink begins in layer 1.
std::optional<InducedSink> induce_by_amplification(Claim& claim, const InducedSink& masked) {
  const LayerRange before_onset{1, claim.survey.sinks.onset_layer() - 1};
  if (before_onset.last < before_onset.first) return std::nullopt;
  const auto outputs = record_calibration(claim, masked.on, before_onset, target_of(claim));
  auto on = masked.on;
  on.suffix += "_amplified";
  const auto amplified = amplify(outputs, target_of(claim), claim.parameters.integer("amplification"));
  auto sink = induce(claim, on, {amplified}, masked.untouched);
  report_induced(claim, sink);
  return sink;
}

/// Where there are several spikes: the mediators of each but the dominant one held by themselves, and those of all.
void hold_other_spikes(Claim& claim, const InducedSink& sink, const MediatorsOf& mediators) {
  const auto& sinks = claim.survey.sinks;
  if (sinks.spikes.size() < 2) return;
  std::vector<Patch> all;
  for (const auto& writers : claim.survey.writers) {
    const auto spike = writers.layer;
    all.push_back(clamp(claim, sink, spike, mediators(writers)));
    if (spike == sinks.dominant_spike || sinks.sink_layers_after(spike).empty()) continue;
    report_held(claim, sink, {{"clamped", hold_also(claim, sink, {all.back()})}}, "_spike" + std::to_string(spike),
                spike);
  }
  report_held(claim, sink, {{"clamped", hold_also(claim, sink, all)}}, "_all", sinks.dominant_spike);
}

/// Position 0 without what carries its spike.
void replace_at_first(Claim& claim, const InducedSink& sink, int64_t spike, const Mediators& mediators) {
  const auto mean = from_untouched(sink.untouched.run, mediators, spike, all_but_the_first(sink.on.length()), {0},
                                   Combine::position_mean);
  const auto replaced = observe_target(claim, sink.on, {mean});
  claim.report([=, layers = claim.survey.sinks.sink_layers_after(spike)](Measure& measure) {
    const auto show = [&](const std::string& name, const TargetPass& pass) {
      const auto column = pass.attention.columns->layers().select(2, 0);  // [B, L, T]
      const auto to_first = attention_to(column, 0, sink.on.length());    // [B, L], over all later queries
      measure.by_layer(name, sink.on, to_first, sink.on.layers());
      measure.mean(name, sink.on, mean_over_layers(to_first, layers));
    };
    show("attention_to_first_clamped", replaced);
    show("attention_to_first_untouched", sink.untouched);
  });
}

}  // namespace

void hold(Claim& claim, const InducedSink& sink, const std::string& suffix, int64_t spike, const Mediators& mediators) {
  const auto held = hold_also(claim, sink, {clamp(claim, sink, spike, mediators)});
  report_held(claim, sink, {{"clamped", held}}, suffix, spike);
}

void mediate(Claim& claim, const std::string& id, const MediatorsOf& mediators,
             const std::function<void(const InducedSink&)>& also_held) {
  const auto& writers = claim.dominant_stage().writers;
  const auto spike = writers.layer;
  const auto held = mediators(writers);
  const auto masked = induce_by_mask(claim, id, claim.primary());
  hold(claim, masked, "", spike, held);
  if (also_held) also_held(masked);
  hold_other_spikes(claim, masked, mediators);
  if (const auto amplified = induce_by_amplification(claim, masked)) hold(claim, *amplified, "", spike, held);
  replace_at_first(claim, masked, spike, held);
}

}  // namespace replicate
