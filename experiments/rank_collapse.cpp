// Representations collapse in effective rank across the layer that makes the sink (paper, figures 15 and 21). One huge
// row makes any matrix look like rank one, so most of that drop can be the spike itself. Judged is whether the ordinary
// rows of a text collapse, too: rows that are massive after the spike are left out on both sides of it.
// Cost: one forward pass, and the eigenvalues of six T x T matrices per sequence.
// experiments/described/rank_by_layer.cpp has all layers, as the figures plot them.

#include <cstdio>

#include "harness/study/claim.h"
#include "harness/study/measures/effective_rank.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

/// Inner products of a text's rows, [b, T, D] -> [b, T, T] float64: all that the rank of some of the rows depends on.
Tensor row_products(const Tensor& hidden) {
  const auto x = hidden.to(at::kDouble);
  return at::matmul(x, x.mT());
}

/// Effective rank of some rows [n] of one text, from the inner products [T, T] of all.
double rank_of_rows(const Tensor& products, const Tensor& rows) {
  const auto chosen = products.index_select(0, rows).index_select(1, rows);  // [n, n]
  return effective_rank(at::linalg_eigvalsh(chosen).clamp_min(0)).item<double>();
}

enum Rows : int64_t { kAll, kWithoutFirst, kOrdinary };

/// Ranks at the spike's input and output: [B, 3] each, in the order of Rows.
struct RanksAcross {
  Condition on;
  Tensor before, after;

  Tensor before_of(Rows rows) const { return before.select(1, rows); }          // [B]
  Tensor lost_by(Rows rows) const { return (before - after).select(1, rows); }  // [B]
  double drop(Rows rows) const { return (lost_by(rows).mean() / before_of(rows).mean()).item<double>(); }
};

/// From the inner products before and after the spike, [B, T, T] each. After it is told which rows are ordinary.
RanksAcross ranks_across(const Condition& on, const Tensor& before, const Tensor& after, double massive) {
  const auto all = at::arange(on.length());
  std::vector<double> ranks_before, ranks_after;
  for (int64_t b = 0; b < before.size(0); ++b) {
    for (const auto& rows : {all, all.slice(0, 1), ordinary_rows(after[b].diagonal().sqrt(), massive)}) {
      ranks_before.push_back(rank_of_rows(before[b], rows));
      ranks_after.push_back(rank_of_rows(after[b], rows));
    }
  }
  const auto by_sequence = [](const std::vector<double>& x) { return at::tensor(x, at::kDouble).view({-1, 3}); };
  return {on, by_sequence(ranks_before), by_sequence(ranks_after)};
}

/// Quotients of means. The first two are what the figures plot.
void report_drops(const RanksAcross& ranks, Measure& measure) {
  const auto drop = [&](const std::string& name, Rows rows) {
    measure.ratio(name, ranks.on, ranks.lost_by(rows), ranks.before_of(rows));
  };
  drop("rank_drop_of_all_rows", kAll);
  drop("rank_drop_without_first_row", kWithoutFirst);
  drop("rank_drop_of_ordinary_rows", kOrdinary);
}

std::string what_collapses(const RanksAcross& ranks, int64_t spike, double least_drop) {
  char text[300];
  std::snprintf(text, sizeof text,
                "Across layer %lld the effective rank of a text changes by %+.0f%% (†, one huge row suffices), without "
                "position 0 by %+.0f%% (†), and by %+.0f%% without all massive rows.",
                static_cast<long long>(spike), -100 * ranks.drop(kAll), -100 * ranks.drop(kWithoutFirst),
                -100 * ranks.drop(kOrdinary));
  const bool of_massive_rows = ranks.drop(kAll) > least_drop && ranks.drop(kOrdinary) < least_drop;
  return std::string(text) + (of_massive_rows ? " The figure's drop is present, but comes from the massive rows." : "");
}

void rank_collapse(Claim& claim) {
  const auto spike = claim.stage().first_spike();
  const auto on = claim.primary();
  const auto massive = claim.parameters.real("massive"), least_drop = claim.parameters.real("least_drop");
  require_other_positions(on, "rank_collapse");
  const auto products = claim.run(on).add(only_in({spike, spike + 1}, watch_residual(row_products)));
  claim.report([=](Measure& measure) {
    const auto ranks = ranks_across(on, products->layer(spike), products->layer(spike + 1), massive);
    measure.judged("ordinary_rank_lost_beyond", on, ranks.lost_by(kOrdinary) - least_drop * ranks.before_of(kOrdinary));
    report_drops(ranks, measure);
    measure.note(what_collapses(ranks, spike, least_drop));
  });
}

REPLICATE_CLAIM(rank_collapse, "natural", "massive", "least_drop");

}  // namespace
}  // namespace replicate
