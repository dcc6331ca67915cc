// What surrounds the claim rank_collapse: the forms of the effective rank in every layer, as the paper's figures 15 and
// 21 plot them, on other inputs and in re-initialised weights; the rank of all tokens together; and the drops across
// the dominant spike. Cost: one forward pass per condition plus eigenvalues of four T x T matrices per sequence and
// layer.

#include "harness/study/claim.h"
#include "harness/study/measures/effective_rank.h"
#include "models/core/each_by_one_thread.h"
#include "models/core/watch.h"

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

/// What is observed of one condition.
struct LayerRanks {
  Condition on;
  std::shared_ptr<Watch> ranks;  // [B, L + 1, 5]

  Tensor before(int64_t layer, Form form) const { return ranks->layer(layer).select(1, form); }  // [B]
  Tensor after(int64_t layer, Form form) const { return before(layer + 1, form); }               // [B]
};

void report_ranks(const LayerRanks& one, Measure& measure) {
  const auto layers = one.on.layers();
  const auto all = one.ranks->layers();  // [B, L + 1, 5]
  for (const auto& [form, name] : kForms) measure.by_layer(name, one.on, all.select(2, form), layers);
  measure.mean("effective_rank_layer_mean", one.on, all.select(2, kPlain).slice(1, 0, layers).mean(1));
}

/// The rank of all tokens together, the form of the paper's numbers, where there are enough of them.
void observe_stacked(Claim& claim, const Condition& on) {
  const auto needed = 2 * claim.config().width;
  if (on.tokens->sequences() * on.length() < needed) {
    claim.report([=](Measure& measure) {
      measure.note("The stacked effective rank needs " + std::to_string(needed) + " tokens, so it was left out.");
    });
    return;
  }
  const auto stacked = claim.run(on).add(std::make_shared<StackedRank>());
  claim.report([=](Measure& measure) {
    const auto ranks = stacked->residual().slice(0, 0, on.layers());  // [L]
    measure.curve("effective_rank_stacked", on, "layer", layer_numbers(on.layers()), ranks);
    measure.value("effective_rank_stacked_layer_mean", on, ranks.mean().item<double>());
  });
}

/// 1 - rank after the spike's layer / rank before it, of the means over sequences.
void report_dominant_drops(const LayerRanks& one, int64_t spike, Measure& measure) {
  const auto drop = [&](const std::string& name, Form form) {
    const auto before = one.before(spike, form);
    measure.ratio(name, one.on, before - one.after(spike, form), before);
  };
  drop("effective_rank_drop", kPlain);
  drop("effective_rank_drop_without_first", kWithoutFirst);
  drop("effective_rank_drop_without_massive", kWithoutMassive);
  drop("effective_rank_drop_centred", kCentred);
}

void rank_by_layer(Claim& claim) {
  std::vector<LayerRanks> observed;  // the judged condition first
  for (const auto& on : claim.conditions()) {
    observed.push_back({on, claim.run(on).add(watch_residual(ranks))});
    claim.report([one = observed.back()](Measure& measure) { report_ranks(one, measure); });
  }
  observe_stacked(claim, observed.front().on);
  claim.report([judged = observed.front(), spike = claim.spike()](Measure& measure) {
    report_dominant_drops(judged, spike, measure);
  });
}

REPLICATE_DESCRIPTION(rank_collapse, rank_by_layer, "random", "null_model");

}  // namespace
}  // namespace replicate
