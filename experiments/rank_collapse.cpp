// Representations collapse in effective rank across the layer that makes the sink (paper, figures 15 and
// 21). Much of that drop is the spike itself: one huge row makes any matrix look like rank one, so the
// ranks without position 0 and without all massive tokens stand beside it.
// Cost: one forward pass per condition plus eigenvalues of four T x T matrices per sequence and layer.

#include <cstdio>

#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/effective_rank.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/each_by_one_thread.h"

namespace replicate {
namespace {

constexpr double kMassive = 5;  // a massive token's norm, in medians of its sequence (definition)

Tensor centred(const Tensor& hidden) { return hidden - hidden.mean(-2, true, at::kDouble); }

/// Effective rank of one sequence [T, D] without tokens whose norm exceeds kMassive medians.
Tensor rank_without_massive(const Tensor& hidden) {
  const auto norms = at::linalg_vector_norm(hidden, 2, {-1}, false, at::kDouble);
  const auto keep = norms <= kMassive * at::quantile(norms, 0.5);
  return effective_rank(spectrum(hidden.index_select(0, keep.nonzero().flatten())));
}

// The forms of the rank, in the order in which `ranks` returns them.
enum Form : int64_t { kPlain, kSquared, kCentred, kWithoutFirst, kWithoutMassive };
const std::vector<std::pair<Form, std::string>> kForms = {{kPlain, "effective_rank"},
                                                          {kSquared, "effective_rank_squared"},
                                                          {kCentred, "effective_rank_centred"},
                                                          {kWithoutFirst, "effective_rank_without_first"},
                                                          {kWithoutMassive, "effective_rank_without_massive"}};

/// All forms for one sequence [T, D]: [5].
Tensor ranks_of_sequence(const Tensor& hidden) {
  const auto squared = spectrum(hidden);
  return at::stack({effective_rank(squared), effective_count(squared), effective_rank(spectrum(centred(hidden))),
                    effective_rank(spectrum(hidden.slice(0, 1))), rank_without_massive(hidden)});
}

/// All forms for [b, T, D]: [b, 5].
Tensor ranks(const Tensor& hidden) {
  const auto on_host = hidden.cpu();
  std::vector<Tensor> all(on_host.size(0));
  each_by_one_thread(on_host.size(0), on_host.device(), [&](int64_t b) { all[b] = ranks_of_sequence(on_host[b]); });
  return at::stack(all);
}

struct Observed {
  Condition condition;
  std::shared_ptr<Watch> ranks;  // [B, L + 1, 5]

  /// 1 - rank after the layer / rank before it, of the means over sequences.
  void drop(const std::string& name, Form form, int64_t layer, Measure& measure) const {
    const auto before = ranks->layer(layer).select(1, form);
    const auto after = ranks->layer(layer + 1).select(1, form);
    measure.ratio(name, condition, before - after, before);
  }
};

class RankCollapse : public Experiment {
 public:
  Plan plan(const Context& context) override {
    Plan plan;
    for (const auto& condition : context.conditions()) {
      Observed one{condition, watch_residual(ranks)};
      plan.push_back({condition.model, condition.tokens, {}, {one.ranks}});
      observed_.push_back(std::move(one));
    }
    const auto& tokens = *observed_.front().condition.tokens;
    if (tokens.sequences() * tokens.length() >= 2 * context.config().width) {
      stacked_ = std::make_shared<StackedRank>();
      plan.front().probes.push_back(stacked_);
    }
    return plan;
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    for (const auto& one : observed_) series(one, context.config().layers, measure);
    stacked(context.config(), measure);
    const auto spike = context.survey.sinks.dominant_spike;
    if (spike == 0) {
      measure.unmet("no spike: the survey found no layer that blows up position 0's norm");
      return measure.take();
    }
    for (const auto& one : observed_) drops(one, spike, measure);
    measure.note(what_survives(spike));
    return measure.take();
  }

 private:
  static void series(const Observed& one, int64_t layers, Measure& measure) {
    const auto all = one.ranks->layers();
    for (const auto& [form, name] : kForms) {
      measure.by_layer(name, one.condition, all.select(2, form), layers);
    }
    measure.mean("effective_rank_layer_mean", one.condition, all.select(2, kPlain).slice(1, 0, layers).mean(1));
  }

  void stacked(const ModelConfig& config, Measure& measure) const {
    const auto& condition = observed_.front().condition;
    if (!stacked_) {
      measure.note("The stacked effective rank needs " + std::to_string(2 * config.width) +
                   " tokens and was left out.");
      return;
    }
    std::vector<double> x;
    for (int64_t layer = 1; layer <= config.layers; ++layer) x.push_back(static_cast<double>(layer));
    const auto ranks = stacked_->residual().slice(0, 0, config.layers);
    measure.curve("effective_rank_stacked", condition, "layer", x, ranks);
    measure.value("effective_rank_stacked_layer_mean", condition, ranks.mean().item<double>());
  }

  /// Position 0 alone can make the whole drop; the reader must see how much is left without it.
  std::string what_survives(int64_t spike) const {
    const auto drop = [&](Form form) {
      const auto& ranks = *observed_.front().ranks;
      const auto before = ranks.layer(spike).select(1, form).mean();
      return 100 * (1 - (ranks.layer(spike + 1).select(1, form).mean() / before).item<double>());
    };
    char text[300];
    std::snprintf(text, sizeof text,
                  "Across layer %lld the effective rank falls by %.0f%%; without position 0 by %.0f%%, "
                  "without all massive tokens by %.0f%%. With one huge row in the matrix the drop is nearly "
                  "automatic, so the last two numbers say whether the other tokens collapse.",
                  static_cast<long long>(spike), drop(kPlain), drop(kWithoutFirst), drop(kWithoutMassive));
    return text;
  }

  static void drops(const Observed& one, int64_t spike, Measure& measure) {
    one.drop("effective_rank_drop", kPlain, spike, measure);
    one.drop("effective_rank_drop_without_first", kWithoutFirst, spike, measure);
    one.drop("effective_rank_drop_without_massive", kWithoutMassive, spike, measure);
    one.drop("effective_rank_drop_centred", kCentred, spike, measure);
  }

  std::vector<Observed> observed_;
  std::shared_ptr<StackedRank> stacked_;
};

REPLICATE_EXPERIMENT(rank_collapse, RankCollapse, "natural", "random", "null_model");

}  // namespace
}  // namespace replicate
