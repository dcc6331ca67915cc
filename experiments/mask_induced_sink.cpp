// A position that may attend only to itself, in every layer, keeps the variance of its own value vector as
// position 0 does, and becomes a sink (paper, figures 5 and 19). That isolates "sees only itself" from "is
// first", not variance from everything else: see variance_scaling.
// Controls: blocked from position 0 only; self-only in the layers after the last spike only.
// Cost: one forward pass per lane; no lane shares much, because the mask acts from layer 1 on.

#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"

namespace replicate {
namespace {

std::vector<int64_t> sorted(std::vector<int64_t> keys) {
  std::sort(keys.begin(), keys.end());
  return keys;
}

/// One lane and what is seen of its target k.
struct Observed {
  Condition condition;
  int64_t target = 0;
  std::shared_ptr<Watch> columns;   // [B, L, 2, T] attention to positions 0 and k, mean over heads
  std::shared_ptr<Watch> norm;      // [B, L + 1] norm of k's residual
  std::shared_ptr<Watch> received;  // [B, L, T - 1] mean attention each position gets from later queries

  int64_t length() const { return condition.tokens->length(); }
  int64_t layers() const { return condition.model->config.layers; }
  /// Both columns averaged over the queries after k: [B, L].
  Tensor to_first() const { return after_target(0); }
  Tensor to_target() const { return after_target(1); }

 private:
  Tensor after_target(int64_t which) const {
    return attention_to(columns->layers().select(2, which), target, length());
  }
};

/// Attention received per position, mean over heads and over the queries after it: [b, T - 1].
Tensor mean_received(const AttentionStatistics& statistics) {
  const auto received = statistics.received.mean(1, false, at::kDouble);  // [b, T]
  const auto length = received.size(1);
  const auto queries = at::arange(length - 1, 0, -1, received.options());
  return received.slice(1, 0, length - 1) / queries;
}

constexpr int64_t kMapSize = 32;  // positions of an attention map: enough to see the first one and the target

/// A[q, k] of the first positions, mean over heads, in one layer: [B, n, n].
std::shared_ptr<Watch> watch_map(int64_t layer, int64_t length) {
  const auto n = std::min(kMapSize, length);
  std::vector<int64_t> queries;
  for (int64_t q = 0; q < n; ++q) queries.push_back(q);
  const auto square = [n](const AttentionStatistics& statistics) {
    std::vector<Tensor> rows;  // another probe may have asked for more rows
    for (int64_t q = 0; q < n; ++q) rows.push_back(statistics.row(q).slice(2, 0, n).mean(1));  // [b, n]
    return at::stack(rows, 1);
  };
  return only_in({layer}, watch_attention({.rows = queries}, square));
}

class MaskInducedSink : public Experiment {
 public:
  Plan plan(const Context& context) override {
    if (context.survey.sinks.sink_layers.empty()) return {};
    const auto primary = context.primary();
    target_ = context.parameters.integer("target");
    before_ = add(primary, target_, {});
    after_ = add(primary, target_, {only_itself(target_, all(context))});
    plan_controls(primary, context);
    plan_dose(primary, context);
    if (context.reports_others) plan_maps(context.survey.sinks);
    if (const auto random = context.condition("random")) {
      random_before_ = add(*random, target_, {});
      random_after_ = add(*random, target_, {only_itself(target_, all(context))});
    }
    return std::move(plan_);
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    const auto& sinks = context.survey.sinks.sink_layers;
    if (sinks.empty()) {
      measure.unmet("no sink: the survey found no layer with excess attention to position 0");
      return measure.take();
    }
    effect(*before_, *after_, sinks, measure);
    by_position(sinks, measure);
    maps(measure);
    controls(context.survey.sinks, measure);
    dose(context, sinks, measure);
    if (random_after_) effect(*random_before_, *random_after_, sinks, measure);
    return measure.take();
  }

 private:
  static LayerRange all(const Context& context) { return {1, context.config().layers}; }

  Observed add(const Condition& condition, int64_t k, std::vector<Patch> patches) {
    check_target(k, condition, "mask_induced_sink");
    Observed one{condition, k, watch_columns({0, k}), watch_residual([k](const Tensor& hidden) {
                   return at::linalg_vector_norm(hidden.select(1, k), 2, {-1}, false, at::kDouble);
                 }),
                 watch_attention({.received = true}, mean_received)};
    plan_.push_back({condition.model, condition.tokens, std::move(patches), {one.columns, one.norm, one.received}});
    return one;
  }

  /// Looks at the two judged lanes in the first sink layer after the dominant spike (the onset, if there is none).
  void plan_maps(const SinkProfile& sinks) {
    const auto later = sinks.sink_layers_after(sinks.dominant_spike);
    map_layer_ = later.empty() ? sinks.onset_layer() : later.front();
    map_before_ = watch_map(map_layer_, before_->length());
    map_after_ = watch_map(map_layer_, after_->length());
    plan_[0].probes.push_back(map_before_);
    plan_[1].probes.push_back(map_after_);
  }

  void plan_controls(const Condition& primary, const Context& context) {
    std::vector<int64_t> but_first;
    for (int64_t key = 1; key <= target_; ++key) but_first.push_back(key);
    blocked_first_ = add(primary, target_, {RowMask{all(context), {target_, {but_first}}}});
    const auto late = context.survey.sinks.last_spike() + 1;
    if (late > 1 && late <= context.config().layers) {
      late_ = add(primary, target_, {only_itself(target_, {late, context.config().layers})});
    }
  }

  /// k sees itself and n earlier positions, drawn anew for every sequence.
  void plan_dose(const Condition& primary, const Context& context) {
    if (context.given) return;
    Random random(derive_seed(context.seed, "mask_induced_sink/dose"));
    for (const auto n : context.parameters.integers("dose")) {
      if (n < 0 || n > target_) continue;
      MaskedRow row{target_, {}};
      for (int64_t b = 0; b < primary.tokens->sequences(); ++b) {
        auto keys = random.permutation(target_);
        keys.resize(n);
        keys.push_back(target_);
        row.keys.push_back(sorted(std::move(keys)));
      }
      dose_.emplace_back(n, add(primary, target_, {RowMask{all(context), row}}));
    }
  }

  static void effect(const Observed& before, const Observed& after, const std::vector<int64_t>& sinks,
                     Measure& measure) {
    const auto& condition = after.condition;
    const auto layers = after.layers();
    measure.by_layer("attention_to_target_before", condition, before.to_target(), layers);
    measure.by_layer("attention_to_target_after", condition, after.to_target(), layers);
    measure.by_layer("attention_to_first_before", condition, before.to_first(), layers);
    measure.by_layer("attention_to_first_after", condition, after.to_first(), layers);
    measure.by_layer("target_norm_before", condition, before.norm->layers(), layers);
    measure.by_layer("target_norm_after", condition, after.norm->layers(), layers);

    const auto target_before = mean_over_layers(before.to_target(), sinks);
    const auto target_after = mean_over_layers(after.to_target(), sinks);
    const auto first_after = mean_over_layers(after.to_first(), sinks);
    measure.mean("attention_to_target_before", condition, target_before);
    measure.mean("attention_to_target_after", condition, target_after);
    measure.mean("attention_to_first_after", condition, first_after);
    measure.ratio("target_to_first_ratio", condition, target_after, first_after);
    measure.ratio("target_after_to_before_ratio", condition, target_after, target_before);
  }

  void by_position(const std::vector<int64_t>& sinks, Measure& measure) {
    const auto& after = *after_;
    std::vector<double> positions;
    for (int64_t p = 0; p + 1 < after.length(); ++p) positions.push_back(static_cast<double>(p));
    const auto series = [&](const std::string& name, const Observed& one) {
      measure.series(name, one.condition, "position", positions, mean_over_layers(one.received->layers(), sinks));
    };
    series("attention_received_by_position_before", *before_);
    series("attention_received_by_position_after", after);
  }

  void maps(Measure& measure) const {
    if (!map_before_) return;
    const auto layer = std::to_string(map_layer_), target = std::to_string(target_);
    const auto map = [&](const std::string& name, const std::string& title, const Watch& watch) {
      measure.map(name, after_->condition, "Attention in layer " + layer + ", " + title,
                  {{"layer", map_layer_}, {"target", target_}}, watch.layer(map_layer_).mean(0));
    };
    map("attention_map_before", "untouched", *map_before_);
    map("attention_map_after", "position " + target + " sees only itself", *map_after_);
  }

  void controls(const SinkProfile& sinks, Measure& measure) const {
    const auto control = [&](const std::string& name, const Observed& one, const std::vector<int64_t>& layers) {
      measure.by_layer(name, one.condition, one.to_target(), one.layers());
      measure.mean(name, one.condition, mean_over_layers(one.to_target(), layers));
    };
    control("attention_to_target_blocked_first", *blocked_first_, sinks.sink_layers);
    // Where the late mask has acted; sink layers before it would only dilute what it does.
    const auto late_layers = sinks.sink_layers_after(sinks.last_spike());
    if (late_ && !late_layers.empty()) {
      control("attention_to_target_late", *late_, late_layers);
      measure.mean("attention_to_target_after_late_layers", late_->condition,
                   mean_over_layers(after_->to_target(), late_layers));
    } else {
      measure.note("No spike, or no sink layer after the last one: the late control does not exist.");
    }
  }

  void dose(const Context& context, const std::vector<int64_t>& sinks, Measure& measure) const {
    if (dose_.empty()) return;
    std::vector<double> visible;
    std::vector<Tensor> attention;
    for (const auto& [n, one] : dose_) {
      visible.push_back(static_cast<double>(n));
      attention.push_back(mean_over_layers(one.to_target(), sinks));
    }
    measure.series("attention_to_target_dose", context.primary(), "visible_positions", visible,
                   at::stack(attention, 1));
  }

  Plan plan_;
  int64_t target_ = 0, map_layer_ = 0;
  std::shared_ptr<Watch> map_before_, map_after_;  // null at a point of the sweep
  std::optional<Observed> before_, after_, blocked_first_, late_, random_before_, random_after_;
  std::vector<std::pair<int64_t, Observed>> dose_;  // by number of earlier positions seen
};

REPLICATE_EXPERIMENT(mask_induced_sink, MaskInducedSink, "natural", "random", "target", "dose");

}  // namespace
}  // namespace replicate
