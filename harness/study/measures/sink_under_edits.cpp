#include "harness/study/measures/sink_under_edits.h"

#include <numeric>

#include "base/error.h"
#include "harness/study/measures/disparity.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// Mean attention, over heads and later queries, that each column gets which at least `queries` of them see:
/// [b, T - queries].
Watch::OnAttention received_from(int64_t queries) {
  return [queries](const AttentionStatistics& statistics) {
    const auto received = statistics.received.mean(1, false, at::kDouble);  // [b, T]
    const auto length = received.size(1);
    const auto seen_by = at::arange(length - 1, queries - 1, -1, received.options());
    return received.slice(1, 0, length - queries) / seen_by;
  };
}

}  // namespace

std::vector<int64_t> all_but_the_first(int64_t length) {
  std::vector<int64_t> positions(length - 1);
  std::iota(positions.begin(), positions.end(), 1);
  return positions;
}

Tensor SinkUnderEdit::to_first() const { return mean_over_layers(received->layers().select(2, 0), layers); }

Tensor SinkUnderEdit::excess() const {
  const auto attention = mean_over_layers(received->layers(), layers);  // [B, C]
  std::vector<double> uniform;
  for (int64_t k = 0; k < attention.size(1); ++k) uniform.push_back(uniform_attention(k, length));
  const auto u = at::tensor(uniform, at::kDouble);
  return (attention - u) / (1 - u);
}

Tensor SinkUnderEdit::largest_column() const {
  return std::get<0>(mean_over_layers(received->layers(), layers).max(1));
}

double SinkUnderEdit::dominance_to_rest() const {
  const auto means = mean_over_layers(dominance->layers(), layers).mean(0);  // [2]
  return (means[0] / means[1]).item<double>();
}

SinkUnderEdit watch_sink(Run run, const Condition& on, const std::vector<int64_t>& layers, int64_t queries,
                         double sink_excess) {
  if (queries < 1 || on.length() < queries + 2) {
    throw Error("no column but the first is seen by " + std::to_string(queries) + " queries in sequences of " +
                    std::to_string(on.length()),
                "edits of super neurons", "use longer sequences or fewer queries");
  }
  return {on.length(), layers, sink_excess, run.add(watch_attention({.received = true}, received_from(queries))),
          run.add(watch(Site::block_input, [](const Tensor& h) { return first_and_rest(dominance_ratio(h)); }))};
}

Tensor removal(const SinkUnderEdit& untouched, const SinkUnderEdit& edited) {
  return untouched.to_first() - edited.to_first();
}

Tensor removal_beyond_half(const SinkUnderEdit& untouched, const SinkUnderEdit& edited) {
  return removal(untouched, edited) - 0.5 * untouched.to_first();
}

std::optional<int64_t> shifted_to(const SinkUnderEdit& untouched, const SinkUnderEdit& edited) {
  const auto before = untouched.excess().mean(0), after = edited.excess();  // [C], [B, C]
  const auto from = edited.sink_excess;
  auto is_new = before.lt(from).logical_and(after.ge(from).to(at::kDouble).mean(0).ge(0.5));
  is_new[0] = false;
  if (!is_new.any().item<bool>()) return std::nullopt;
  return after.mean(0).masked_fill(is_new.logical_not(), -1).argmax().item<int64_t>();
}

void note_shift(const std::string& edit, const SinkUnderEdit& untouched, const SinkUnderEdit& edited,
                Measure& measure) {
  const auto position = shifted_to(untouched, edited);
  measure.note("When " + edit + ", " +
               (position ? "the sink shifts to position " + std::to_string(*position) + "."
                         : "no other position becomes a sink in half of the sequences."));
}

}  // namespace replicate
