// The attention sink on the first position starts at one layer, right after the layer that makes that position's
// residual vector many times longer than the others' (paper, figures 3 and 18; Llama-2-7B and Llama-3-8B: the third
// layer). Judged in two ways. Sequence by sequence, over layers: excess attention goes with the norm at the same
// layer's input, and more so than with the norm at the input of its neighbours. And over a grid of what the words mean
// (how long is long, how much attention is a sink, how long the text is): the first layer with a sink is the first
// whose input is long.
// Cost: one forward pass; shorter texts come out of the same pass, because attention is causal.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// What is observed of the judged condition, cut to each of several lengths.
struct Observed {
  Condition on;
  std::vector<int64_t> lengths;
  std::shared_ptr<Watch> column;  // attention to position 0, mean over heads: [B, L, 1, T]
  std::shared_ptr<Watch> norms;   // at layer inputs: position 0, then the others' median at each length: [B, L, 1 + n]

  /// At the i-th length: [B, L].
  Tensor excess(size_t i) const { return excess_attention(column->layers().select(2, 0), 0, lengths[i]); }
  Tensor first_norm() const { return norms->layers().select(2, 0); }
  Tensor other_norm(size_t i) const { return norms->layers().select(2, static_cast<int64_t>(i) + 1); }
};

/// [b, T, D] -> [b, 1 + n]
std::shared_ptr<Watch> watch_norms_at(const std::vector<int64_t>& lengths) {
  return watch(Site::block_input, [lengths](const Tensor& hidden) {
    const auto norms = at::linalg_vector_norm(hidden, 2, {-1}, false, at::kDouble);  // [b, T]
    std::vector<Tensor> columns{norms.select(1, 0)};
    for (const auto length : lengths) columns.push_back(at::quantile(norms.slice(1, 1, length), 0.5, 1));
    return at::stack(columns, 1);
  });
}

// --- Over layers ----------------------------------------------------------------------------------------------

/// What layer l + shift has, edge values repeated: [B, L].
Tensor shifted(const Tensor& by_layer, int64_t shift) {
  const auto last = by_layer.size(1) - 1;
  return by_layer.index_select(1, (at::arange(last + 1, at::kLong) + shift).clamp(0, last));
}

/// Pearson's correlation over layers, [B, L] twice: [B].
Tensor correlation(const Tensor& x, const Tensor& y) {
  const auto a = x - x.mean(1, true), b = y - y.mean(1, true);
  return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt();
}

/// The largest correlation of excess attention with the norm ratio at the input of another layer, at most `farthest`
/// layers away: [B].
Tensor largest_shifted(const Tensor& excess, const Tensor& log_ratio, int64_t farthest) {
  std::vector<Tensor> all;
  for (int64_t shift = -farthest; shift <= farthest; ++shift) {
    if (shift != 0) all.push_back(correlation(excess, shifted(log_ratio, shift)));
  }
  return at::stack(all).amax(0);
}

// --- Over the grid --------------------------------------------------------------------------------------------

/// The first layer, from 1, that reaches the limit; 0 where none does.
int64_t first_reaching(const Tensor& by_layer, double limit) {
  const auto layers = by_layer.ge(limit).nonzero();  // [n, 1], ascending
  return layers.size(0) == 0 ? 0 : layers[0][0].item<int64_t>() + 1;
}

/// What the words may mean.
struct Grid {
  std::vector<double> ratios, excesses;
};

struct Cells {
  int64_t all = 0, met = 0, with_sink = 0;
};

/// The grid at one length, from means over sequences [L]. A run of long inputs that starts in layer 1 has no layer
/// before it that could have caused it.
Cells cells_of(const Tensor& excess, const Tensor& ratio, const Grid& grid) {
  Cells cells;
  for (const double long_from : grid.ratios) {
    for (const double sink_from : grid.excesses) {
      const auto onset = first_reaching(excess, sink_from), run = first_reaching(ratio, long_from);
      ++cells.all;
      cells.with_sink += onset > 0;
      cells.met += run > 1 && onset == run;
    }
  }
  return cells;
}

/// The whole grid: every length but the first, which is the judged one.
Cells cells_of(const Observed& seen, const Grid& grid) {
  Cells cells;
  for (size_t i = 1; i < seen.lengths.size(); ++i) {
    const auto one = cells_of(seen.excess(i).mean(0), seen.first_norm().mean(0) / seen.other_norm(i).mean(0), grid);
    cells.all += one.all;
    cells.met += one.met;
    cells.with_sink += one.with_sink;
  }
  return cells;
}

// --------------------------------------------------------------------------------------------------------------

/// The judged length, then those of the grid; all within the sequences.
std::vector<int64_t> lengths_of(const Parameters& parameters, int64_t longest) {
  auto lengths = parameters.integers("grid.length");
  std::erase_if(lengths, [&](int64_t length) { return length > longest; });
  lengths.insert(lengths.begin(), std::min(parameters.integer("judged_length"), longest));
  return lengths;
}

void report_onset(const Observed& seen, const Grid& grid, int64_t farthest, Measure& measure) {
  const auto cells = cells_of(seen, grid);
  if (cells.with_sink == 0) return measure.inapplicable("no sink: no layer has one in any cell of the grid");
  const auto excess = seen.excess(0), log_ratio = (seen.first_norm() / seen.other_norm(0)).log();  // [B, L]
  const auto here = correlation(excess, log_ratio);                                                // [B]
  measure.judged("onset_correlation", seen.on, here);
  measure.judged("onset_correlation_lead", seen.on, here - largest_shifted(excess, log_ratio, farthest));
  measure.value("onset_cells_share", seen.on, static_cast<double>(cells.met) / static_cast<double>(cells.all));
  measure.value("onset_cells_met", seen.on, static_cast<double>(cells.met));
  measure.value("onset_cells", seen.on, static_cast<double>(cells.all));
}

void sink_onset(Claim& claim) {
  const auto on = claim.primary();
  require_other_positions(on, "sink_onset");
  const Grid grid{claim.parameters.reals("grid.ratio"), claim.parameters.reals("grid.excess")};
  const auto lengths = lengths_of(claim.parameters, on.length());
  const auto least_layers = claim.parameters.integer("least_layers");
  const auto farthest = claim.parameters.integer("farthest_shift");
  if (on.layers() < least_layers) Claim::unmet("fewer than " + std::to_string(least_layers) + " layers");
  if (lengths.size() == 1)
    Claim::unmet("too short: all lengths of the grid exceed " + std::to_string(on.length()) + " tokens");
  auto run = claim.run(on);
  const Observed seen{on, lengths, run.add(watch_columns({0})), run.add(watch_norms_at(lengths))};
  claim.report([=](Measure& measure) { report_onset(seen, grid, farthest, measure); });
}

REPLICATE_CLAIM(sink_onset, "judged_on", "natural", "random", "judged_length", "least_layers", "farthest_shift",
                "grid.ratio", "grid.excess", "grid.length");

}  // namespace
}  // namespace replicate
