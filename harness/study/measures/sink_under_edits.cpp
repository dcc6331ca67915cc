#include "harness/study/measures/sink_under_edits.h"

#include <numeric>

#include "base/error.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// max|h| / mean|h| of position 0: [b, T, D] -> [b].
Tensor first_dominance(const Tensor& hidden) {
  const auto magnitude = hidden.select(1, 0).abs();
  return magnitude.amax(-1).to(at::kDouble) / magnitude.mean(-1, false, at::kDouble);
}

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

/// "13, 14, 16"
std::string listed(const std::vector<int64_t>& layers) {
  std::string text;
  for (const auto layer : layers) text += (text.empty() ? "" : ", ") + std::to_string(layer);
  return text;
}

/// Edits that leave position 0's neurons alone are no reason for the sink to go anywhere.
bool may_move(const std::string& suffix) { return !suffix.ends_with("_elsewhere") && !suffix.ends_with("_matched"); }

void report_series(const Condition& on, const SinkUnderEdit& edit, Measure& measure) {
  const auto layers = on.layers();
  measure.by_layer("attention_to_first" + edit.suffix, on, edit.to_first(), layers);
  measure.by_layer("max_column_attention" + edit.suffix, on, edit.largest(), layers);
  measure.by_layer("dominance_ratio" + edit.suffix, on, edit.dominance->layers(), layers);
  // The column that gets most in each layer, median over sequences.
  const auto position = std::get<0>(edit.received->layers().argmax(2).median(0)).to(at::kDouble);
  measure.curve("sink_position" + edit.suffix, on, "layer", layer_numbers(layers), position);
}

/// Which position is the sink, if any, and how much of one.
void report_position(const Condition& on, const SinkUnderEdit& edit, const std::vector<int64_t>& layers,
                     Measure& measure) {
  const auto position = mean_over_layers(edit.received->layers(), layers).argmax(1);  // [B]
  measure.mean("max_column_attention" + edit.suffix, on, mean_over_layers(edit.largest(), layers));
  measure.value("sink_position" + edit.suffix, on, position.median().item<double>());
  measure.mean("sink_at_first" + edit.suffix, on, position.eq(0).to(at::kDouble));
}

}  // namespace

Patch zero_neurons(int64_t layer, const std::vector<int64_t>& neurons, const std::vector<int64_t>& positions) {
  if (neurons.empty()) throw Error("no neuron is named", "falsification", "correct the survey");
  return AffinePatch{Site::hidden, {layer, layer}, positions, neurons, 0, {}};
}

std::vector<int64_t> all_but_the_first(int64_t length) {
  std::vector<int64_t> positions(length - 1);
  std::iota(positions.begin(), positions.end(), 1);
  return positions;
}

SinkUnderEdit edit_sink(Claim& claim, const Condition& on, const std::string& suffix, std::vector<Patch> patches) {
  const auto queries = claim.parameters.integer("queries");
  if (queries < 1 || on.length() < queries + 2) {
    throw Error("no column but the first is seen by " + std::to_string(queries) + " queries in sequences of " +
                    std::to_string(on.length()),
                "falsification", "use longer sequences or fewer queries");
  }
  auto run = claim.run(on, std::move(patches));
  return {suffix, run.add(watch_attention({.received = true}, received_from(queries))),
          run.add(watch(Site::block_input, first_dominance))};
}

void report_edit(const Condition& on, const SinkUnderEdit& edit, const SinkUnderEdit* untouched,
                 const std::vector<int64_t>& layers, Measure& measure) {
  report_series(on, edit, measure);
  const auto name = "attention_to_first" + edit.suffix;
  const auto first = mean_over_layers(edit.to_first(), layers);
  if (untouched) {
    const auto before = mean_over_layers(untouched->to_first(), layers);
    measure.of_means({"attention_drop" + edit.suffix, name}, on, {{name + "_untouched"}, {name}},
                     at::stack({before, first}, 1), [](std::span<const double> means) {
                       return std::vector<double>{1 - means[1] / means[0], means[1]};
                     });
  } else {
    measure.mean(name, on, first);
  }
  if (may_move(edit.suffix)) report_position(on, edit, layers, measure);
}

void note_what_is_left(const Condition& on, const SinkUnderEdit& edit, const std::string& what, Measure& measure) {
  const double uniform = uniform_attention(0, on.length());
  const auto excess = (edit.to_first().mean(0) - uniform) / (1 - uniform);  // [L]
  std::vector<int64_t> left;
  for (int64_t layer = 1; layer <= excess.size(0); ++layer) {
    if (excess[layer - 1].item<double>() >= kSinkExcess) left.push_back(layer);
  }
  measure.note(
      what + " zeroed at position 0: " +
      (left.empty() ? "no layer has a sink there any more." : "layers " + listed(left) + " have a sink there."));
}

}  // namespace replicate
