#include "harness/study/measures/trained_sink.h"

#include <algorithm>

#include "harness/study/measures/disparity.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

constexpr double kLeastTotal = 1e-3;  // a row that attends to less than this in all does not say where it looks

/// Attention to position 0, mean over heads and queries q >= 1, per sequence: [b, 4] = the column as it is; divided by
/// its row's sum, over the rows that are kept; what uniform attention would give in these rows; the share of rows kept.
Tensor sink_terms(const AttentionStatistics& statistics) {
  const auto column = statistics.column(0).slice(2, 1).to(at::kDouble);  // [b, H, T - 1]
  const auto total = statistics.needs.total ? statistics.total.slice(2, 1).to(at::kDouble) : at::ones_like(column);
  const auto kept = (total >= kLeastTotal).to(at::kDouble);
  const auto uniform = at::arange(2, column.size(2) + 2, column.options()).reciprocal();  // [T - 1]
  const auto mean = [](const Tensor& x) { return x.mean(at::IntArrayRef{1, 2}); };
  return at::stack({mean(column), mean(kept * column / total.clamp_min(kLeastTotal)), mean(kept * uniform), mean(kept)},
                   1);
}

/// Dominance at position 0 of the residual stream: [b, T, D] -> [b].
Tensor dominance_at_first(const Tensor& hidden) { return dominance_ratio(hidden.slice(1, 0, 1)).select(1, 0); }

AttentionNeeds column_and_total(const ModelConfig& config) {
  AttentionNeeds needs;
  needs.columns = {0};
  needs.total = config.sigmoid_bias.has_value();
  return needs;
}

}  // namespace

double SinkByLayer::largest_excess() const {
  const auto there = present(excess);
  return there.empty() ? std::numeric_limits<double>::quiet_NaN() : std::ranges::max(there);
}

double SinkByLayer::mean_dominance() const { return mean(dominance); }

double SinkByLayer::least_rows_kept() const { return std::ranges::min(rows_kept); }

TrainedSink::TrainedSink(TrainingClaim& claim, const TrainedModel& kept, const Tokens& tokens)
    : length_(tokens->length()) {
  auto run = claim.run(kept, tokens);
  attention_ = run.add(watch_attention(column_and_total(kept.model->config), sink_terms));
  dominance_ = run.add(watch(Site::block_input, dominance_at_first));
}

SinkByLayer TrainedSink::by_layer() const {
  const auto terms = attention_->layers().mean(0);  // [L, 4]
  const auto raw = terms.select(1, 0), kept = terms.select(1, 3);
  const auto attention = terms.select(1, 1) / kept, uniform = terms.select(1, 2) / kept;
  const double everywhere = uniform_attention(0, length_);
  return {to_vector<double>(attention), to_vector<double>((attention - uniform) / (1 - uniform)),
          to_vector<double>(raw),       to_vector<double>((raw - everywhere) / (1 - everywhere)),
          to_vector<double>(kept),      to_vector<double>(dominance_->layers().mean(0))};
}

BySeed<TrainedSink> last_sinks(TrainingClaim& claim, std::span<const TrainedRun> runs, const Tokens& tokens) {
  return look_at(runs, [&](const TrainedRun& run) { return TrainedSink(claim, run.last(), tokens); });
}

}  // namespace replicate
