// What surrounds the claim mask_induced_sink: the target's and position 0's attention and norm by layer, where the
// attention goes, partial and late masks, and a dose, over all sink layers of the model, on natural and random ids.
// Cost: the claim's passes, and those on random ids.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/target_attention.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

/// One pass and what is observed of its target k.
struct Observed {
  Condition on;
  TargetAttention attention;
  std::shared_ptr<Watch> norm;      // [B, L + 1] norm of k's residual
  std::shared_ptr<Watch> received;  // [B, L, T - 1] mean attention that each position gets from later queries
};

/// The untouched pass and the one in which k sees only itself.
struct Effect {
  Observed before, after;
};

/// Attention received per position, mean over heads and over the queries after it: [b, T - 1].
Tensor mean_received(const AttentionStatistics& statistics) {
  const auto received = statistics.received.mean(1, false, at::kDouble);  // [b, T]
  const auto length = received.size(1);
  const auto queries = at::arange(length - 1, 0, -1, received.options());
  return received.slice(1, 0, length - 1) / queries;
}

LayerRange all_layers(const Claim& claim) { return {1, claim.config().layers}; }

Observed observe(Claim& claim, const Condition& on, std::vector<Patch> patches) {
  const auto target = target_of(claim);
  check_target(target, on, "mask_induced_sink");
  auto run = claim.run(on, std::move(patches));
  return {on, watch_target(run, on, target), run.add(watch_norm_at(target)),
          run.add(watch_attention({.received = true}, mean_received))};
}

// --- The effect -----------------------------------------------------------------------------------------------

void report_series(const Effect& effect, Measure& measure) {
  const auto& before = effect.before;
  const auto& after = effect.after;
  const auto show = [&](const std::string& name, const Tensor& values) {
    measure.by_layer(name, after.on, values, after.on.layers());
  };
  show("attention_to_target_before", before.attention.to_target());
  show("attention_to_target_after", after.attention.to_target());
  show("attention_to_first_before", before.attention.to_first());
  show("attention_to_first_after", after.attention.to_first());
  show("target_norm_before", before.norm->layers());
  show("target_norm_after", after.norm->layers());
}

void report_metrics(const Effect& effect, const std::vector<int64_t>& sinks, Measure& measure) {
  const auto& on = effect.after.on;
  const auto target_before = mean_over_layers(effect.before.attention.to_target(), sinks);  // [B]
  const auto target_after = mean_over_layers(effect.after.attention.to_target(), sinks);    // [B]
  const auto first_after = mean_over_layers(effect.after.attention.to_first(), sinks);      // [B]
  measure.mean("attention_to_target_before", on, target_before);
  measure.mean("attention_to_target_after", on, target_after);
  measure.mean("attention_to_first_after", on, first_after);
  measure.ratio("target_to_first_ratio", on, target_after, first_after);
  measure.ratio("target_after_to_before_ratio", on, target_after, target_before);
}

Effect mask_target(Claim& claim, const Condition& on) {
  const Effect effect{observe(claim, on, {}), observe(claim, on, {only_itself(target_of(claim), all_layers(claim))})};
  claim.report([effect, sinks = claim.sinks()](Measure& measure) {
    report_series(effect, measure);
    report_metrics(effect, sinks, measure);
  });
  return effect;
}

/// Which positions get the attention, over the layers with a sink.
void report_by_position(Claim& claim, const Effect& effect) {
  claim.report([effect, sinks = claim.sinks()](Measure& measure) {
    const auto positions = counted(effect.after.on.length() - 1, 0);
    const auto show = [&](const std::string& name, const Observed& one) {
      measure.series(name, one.on, "position", positions, mean_over_layers(one.received->layers(), sinks));
    };
    show("attention_received_by_position_before", effect.before);
    show("attention_received_by_position_after", effect.after);
  });
}

// --- Controls -------------------------------------------------------------------------------------------------

/// Attention to k by layer, and its mean over some layers.
void report_control(const std::string& name, const Observed& one, const std::vector<int64_t>& layers,
                    Measure& measure) {
  const auto to_target = one.attention.to_target();  // [B, L]
  measure.by_layer(name, one.on, to_target, one.on.layers());
  measure.mean(name, one.on, mean_over_layers(to_target, layers));
}

/// k sees every position up to itself but the first.
void block_first(Claim& claim, const Condition& on) {
  const auto blocked = observe(claim, on, {all_but_first(target_of(claim), all_layers(claim))});
  claim.report([blocked, sinks = claim.sinks()](Measure& measure) {
    report_control("attention_to_target_blocked_first", blocked, sinks, measure);
  });
}

/// k sees only itself after the last spike; compared where that has acted, for sink layers before it would only dilute
/// what it does.
void mask_late(Claim& claim, const Effect& effect) {
  const auto after_spike = layers_after_last_spike(claim);
  if (!after_spike) return;
  const auto late = observe(claim, effect.after.on, {only_itself(target_of(claim), after_spike->range)});
  claim.report([=, layers = after_spike->sinks](Measure& measure) {
    report_control("attention_to_target_late", late, layers, measure);
    measure.mean("attention_to_target_after_late_layers", late.on,
                 mean_over_layers(effect.after.attention.to_target(), layers));
  });
}

// --- Dose -----------------------------------------------------------------------------------------------------

void vary_dose(Claim& claim, const Condition& on) {
  if (claim.given) return;
  Random random(derive_seed(claim.seed, "mask_induced_sink/dose"));
  std::vector<double> visible;
  std::vector<Observed> observed;
  for (const auto n : claim.parameters.integers("dose")) {
    if (n < 0 || n > target_of(claim)) continue;
    const auto row = itself_and_random(target_of(claim), n, on.tokens->sequences(), random);
    visible.push_back(static_cast<double>(n));
    observed.push_back(observe(claim, on, {RowMask{all_layers(claim), row}}));
  }
  if (observed.empty()) return;
  claim.report([=, sinks = claim.sinks()](Measure& measure) {
    std::vector<Tensor> attention;  // [B] each
    for (const auto& one : observed) attention.push_back(mean_over_layers(one.attention.to_target(), sinks));
    measure.series("attention_to_target_dose", on, "visible_positions", visible, at::stack(attention, 1));
  });
}

void masked_target(Claim& claim) {
  claim.sinks();
  const auto on = claim.primary();
  const auto effect = mask_target(claim, on);
  report_by_position(claim, effect);
  block_first(claim, on);
  mask_late(claim, effect);
  vary_dose(claim, on);
  if (const auto random = claim.condition("random")) mask_target(claim, *random);
}

REPLICATE_DESCRIPTION(mask_induced_sink, masked_target, "natural", "random", "target", "dose");

}  // namespace
}  // namespace replicate
