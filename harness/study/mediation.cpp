#include "harness/study/mediation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

/// Fraction of the effect that is removed; NaN where there was no effect.
double removed(double untouched, double induced, double clamped) {
  return induced > untouched ? 1 - (clamped - untouched) / (induced - untouched) : std::nan("");
}

/// From the means of attention and norm by turns, lane by lane (untouched, induced, then those with something
/// held): what each of the latter removes of either, and the means themselves from lane `shown` on.
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

/// Throws on an empty list, which would select every index.
std::vector<int64_t> some(std::vector<int64_t> indices, const std::string& claim) {
  if (indices.empty()) throw Error("nothing is named that could be held", claim, "correct the survey");
  return indices;
}

}  // namespace

Mediation::Mediation(std::string claim, MediatorsOf judged, std::map<std::string, MediatorsOf> reported)
    : claim_(std::move(claim)), judged_(std::move(judged)), reported_(std::move(reported)) {}

/// Why there is nothing to measure, empty when there is.
std::string Mediation::unmet(const Context& context) const {
  const auto& sinks = context.survey.sinks;
  if (sinks.sink_layers.empty()) {
    return "no sink: the survey found no layer with excess attention to position 0";
  }
  if (sinks.dominant_spike == 0) return "no spike: no layer blows up the norm of position 0";
  if (sinks.sink_layers_after(sinks.dominant_spike).empty()) {
    return "no sink after the dominant spike in layer " + std::to_string(sinks.dominant_spike);
  }
  return {};
}

const SpikeWriters& Mediation::dominant(const Context& context) const {
  return context.survey.writers_of(context.survey.sinks.dominant_spike);
}

// --- What runs --------------------------------------------------------------------------------------------

Plan Mediation::plan(const Context& context) {
  if (!unmet(context).empty()) return {};
  target_ = context.parameters.integer("target");
  const auto mask = [&](const Condition& condition) {
    return intervene(condition, {only_itself(target_, {1, context.config().layers})}, add(condition, {}));
  };
  const auto primary = context.primary();
  auto judged = mask(primary);
  hold_dominant(judged, "", judged_, context);
  if (context.reports_others) {
    for (const auto& [suffix, mediators] : reported_) hold_dominant(judged, suffix, mediators, context);
    hold_other_spikes(judged, context);
  }
  interventions_.push_back(judged);
  if (context.reports_others) {
    amplify(primary, judged.untouched, context);
    clamp_first(primary, judged.untouched, context);
  }
  if (const auto random = context.condition("random")) {
    auto one = mask(*random);
    hold_dominant(one, "", judged_, context);
    interventions_.push_back(std::move(one));
  }
  return std::move(plan_);
}

Mediation::Observed Mediation::add(const Condition& condition, std::vector<Patch> patches) {
  const auto k = target_;
  check_target(k, condition, claim_);
  Observed one{plan_.size(), watch_columns({0, k}), watch_residual([k](const Tensor& hidden) {
                 return at::linalg_vector_norm(hidden.select(1, k), 2, {-1}, false, at::kDouble);
               })};
  plan_.push_back({condition.model, condition.tokens, std::move(patches), {one.columns, one.norm}});
  return one;
}

Mediation::Intervention Mediation::intervene(const Condition& condition, std::vector<Patch> patches,
                                             const Observed& untouched) {
  const auto induced = add(condition, patches);
  return {condition, std::move(patches), untouched, induced, {}};
}

/// Gives the recording a name and the lane to make it; returns the name.
std::string Mediation::record(const Observed& one, Recording recording) {
  auto& recordings = plan_[one.lane].recordings;
  recording.name = "lane" + std::to_string(one.lane) + "_" + std::to_string(recordings.size());
  return recordings.emplace_back(std::move(recording)).name;
}

/// k's values there become those of the untouched lane.
Patch Mediation::clamp(const Observed& untouched, Site site, int64_t layer, const std::vector<int64_t>& dimensions) {
  const LayerRange here{layer, layer};
  const auto places = some(dimensions, claim_);
  const auto source = record(untouched, {{}, site, here, {target_}, places});
  return Transplant{.site = site, .layers = here, .positions = {target_}, .dimensions = places, .source = source};
}

void Mediation::hold_dominant(Intervention& one, const std::string& suffix, const MediatorsOf& mediators,
                              const Context& context) {
  const auto& writers = dominant(context);
  const auto chosen = mediators(writers, context.config());
  const auto with = [&](const std::vector<int64_t>& dimensions) {
    auto patches = one.patches;
    patches.push_back(clamp(one.untouched, chosen.site, writers.layer, dimensions));
    return add(one.condition, std::move(patches));
  };
  one.held.push_back({suffix, writers.layer, with(chosen.dimensions), std::nullopt});
  if (!chosen.matched.empty()) one.held.back().matched = with(chosen.matched);
}

/// Each other spike by itself, and all spikes together; those over the layers of the judged one.
void Mediation::hold_other_spikes(Intervention& one, const Context& context) {
  const auto& sinks = context.survey.sinks;
  if (sinks.spikes.size() < 2) return;
  auto all = one.patches;
  for (const auto& writers : context.survey.writers) {
    const auto chosen = judged_(writers, context.config());
    const auto held = clamp(one.untouched, chosen.site, writers.layer, chosen.dimensions);
    all.push_back(held);
    if (writers.layer == sinks.dominant_spike || sinks.sink_layers_after(writers.layer).empty()) continue;
    auto patches = one.patches;
    patches.push_back(held);
    one.held.push_back({"_spike" + std::to_string(writers.layer), writers.layer, add(one.condition, std::move(patches)),
                        std::nullopt});
  }
  one.held.push_back({"_all", sinks.dominant_spike, add(one.condition, std::move(all)), std::nullopt});
}

/// o_k becomes mu + lambda (o_k - mu) in the layers before the onset, mu the mean over other sequences.
void Mediation::amplify(const Condition& primary, const Observed& untouched, const Context& context) {
  const LayerRange early{1, context.survey.sinks.onset_layer() - 1};
  if (early.last < early.first) return;
  const auto outputs = record_heads("target", early, target_);
  plan_.push_back({context.model, calibration_for(primary, context, target_), {}, {}, {outputs}});
  const auto amplified = replicate::amplify(outputs, target_, context.parameters.integer("amplification"));
  auto condition = primary;
  condition.suffix += "_amplified";
  auto one = intervene(condition, {amplified}, untouched);
  hold_dominant(one, "", judged_, context);
  interventions_.push_back(std::move(one));
}

/// Position 0 without what carries its spike: there it gets the sequence's mean over the other positions.
void Mediation::clamp_first(const Condition& primary, const Observed& untouched, const Context& context) {
  const auto& writers = dominant(context);
  const auto chosen = judged_(writers, context.config());
  const LayerRange here{writers.layer, writers.layer};
  std::vector<int64_t> rest(primary.tokens->length() - 1);
  std::iota(rest.begin(), rest.end(), 1);
  const auto places = some(chosen.dimensions, claim_);
  const auto source = record(untouched, {{}, chosen.site, here, rest, places});
  first_ = add(primary, {Transplant{.site = chosen.site,
                                    .layers = here,
                                    .positions = {0},
                                    .dimensions = places,
                                    .source = source,
                                    .combine = Combine::position_mean}});
}

// --- What comes of it -------------------------------------------------------------------------------------

Measurement Mediation::reduce(const Context& context) {
  Measure measure(context.bootstrap);
  if (const auto why = unmet(context); !why.empty()) {
    measure.unmet(why);
    return measure.take();
  }
  for (const auto& one : interventions_) {
    series(one, measure);
    for (const auto& held : one.held) removal(one, held, context.survey.sinks, measure);
  }
  first_clamped(context, measure);
  return measure.take();
}

/// Attention to k over the queries after it: [B, L].
Tensor Mediation::to_target(const Observed& one) const {
  const auto column = one.columns->layers().select(2, 1);  // [B, L, T]
  return attention_to(column, target_, column.size(-1));
}

/// Attention to position 0 over all queries after it: [B, L].
Tensor Mediation::to_first(const Observed& one) const {
  const auto column = one.columns->layers().select(2, 0);  // [B, L, T]
  return attention_to(column, 0, column.size(-1));
}

void Mediation::series(const Intervention& one, Measure& measure) const {
  const auto layers = one.condition.model->config.layers;
  const auto curve = [&](const std::string& ending, const Observed& lane) {
    measure.by_layer("attention_to_target_" + ending, one.condition, to_target(lane), layers);
    measure.by_layer("target_norm_" + ending, one.condition, lane.norm->layers(), layers);
  };
  if (one.condition.suffix.empty()) curve("untouched", one.untouched);
  curve("induced", one.induced);
  for (const auto& held : one.held) {
    curve("clamped" + held.suffix, held.clamped);
    if (held.matched) curve("clamped_matched" + held.suffix, *held.matched);
  }
}

/// The shares that are gone of the induced attention and of the norm that the spike gave the target, and what
/// they are shares of, all means resampled together.
void Mediation::removal(const Intervention& one, const Held& held, const SinkProfile& sinks, Measure& measure) const {
  std::vector<Observed> lanes{one.untouched, one.induced, held.clamped};
  std::vector<std::string> endings{"untouched", "induced", "clamped"}, held_ones{""};
  if (held.matched) {
    lanes.push_back(*held.matched);
    endings.push_back("clamped_matched");
    held_ones.push_back("_matched");
  }
  std::vector<std::string> names;
  for (const auto& which : held_ones) {
    names.push_back("attention_removed" + which + held.suffix);
    names.push_back("norm_removed" + which + held.suffix);
  }
  // Where the layers are those of the judged ones, the first two lanes stand there already.
  const size_t shown = held.suffix.empty() || held.spike != sinks.dominant_spike ? 0 : 2;
  std::vector<SampleColumn> columns;
  std::vector<Tensor> values;
  for (size_t i = 0; i < lanes.size(); ++i) {
    columns.push_back({"attention_to_target_" + endings[i] + held.suffix});
    columns.push_back({"target_norm_" + endings[i] + held.suffix});
    if (i >= shown) names.insert(names.end(), {columns[2 * i].name, columns[2 * i + 1].name});
    values.push_back(mean_over_layers(to_target(lanes[i]), sinks.sink_layers_after(held.spike)));
    values.push_back(lanes[i].norm->layer(held.spike + 1));
  }
  measure.of_means(names, one.condition, columns, at::stack(values, 1), shares_and_means(shown));
}

void Mediation::first_clamped(const Context& context, Measure& measure) const {
  if (!first_) return;
  const auto& judged = interventions_.front();
  const auto layers = context.survey.sinks.sink_layers_after(dominant(context).layer);
  const auto both = [&](const std::string& name, const Observed& lane) {
    measure.by_layer(name, judged.condition, to_first(lane), context.config().layers);
    measure.mean(name, judged.condition, mean_over_layers(to_first(lane), layers));
  };
  both("attention_to_first_clamped", *first_);
  both("attention_to_first_untouched", judged.untouched);
}

}  // namespace replicate
