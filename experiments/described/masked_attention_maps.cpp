// Attention before and after the claim mask_induced_sink lets the target see only itself: maps of one layer, the mean
// over heads and sequences; and of every layer and head on two texts, for a reader to choose from.

#include <numeric>

#include "harness/study/claim.h"
#include "harness/study/measures/attention_by_head.h"
#include "harness/study/target.h"
#include "models/core/watch.h"

namespace replicate {
namespace {

constexpr int64_t kMapSize = 32;  // positions of an attention map: enough to see the first one and the target
constexpr int64_t kHeadMapSize = 20, kHeadMapTexts = 2;  // of every head: 300 kB for 30 layers of 9 heads

/// A[q, k] of the first positions, mean over heads, in one layer: [B, n, n].
std::shared_ptr<Watch> watch_map(int64_t layer, int64_t length) {
  const auto n = std::min(kMapSize, length);
  std::vector<int64_t> queries(n);
  std::iota(queries.begin(), queries.end(), 0);
  const auto square = [n](const AttentionStatistics& statistics) {
    std::vector<Tensor> rows;  // another probe may have asked for more rows
    for (int64_t q = 0; q < n; ++q) rows.push_back(statistics.row(q).slice(2, 0, n).mean(1));  // [b, n]
    return at::stack(rows, 1);
  };
  return only_in({layer}, watch_attention({.rows = queries}, square));
}

std::shared_ptr<AttentionByHead> watch_heads(const Condition& on) {
  return std::make_shared<AttentionByHead>(std::min(kHeadMapTexts, on.tokens->sequences()),
                                           std::min(kHeadMapSize, on.length()));
}

/// The tokens that the maps show, as they are read.
std::vector<std::vector<std::string>> words_of(const Claim& claim, const TokenIds& tokens,
                                               const AttentionByHead& shown) {
  std::vector<std::vector<std::string>> texts;
  for (int64_t b = 0; b < shown.sequences(); ++b) {
    auto& words = texts.emplace_back();
    for (int64_t t = 0; t < shown.positions(); ++t)
      words.push_back(claim.maker->word(tokens.ids[b][t].item<int64_t>()));
  }
  return texts;
}

/// The first sink layer after the dominant spike; the onset, if there is none.
int64_t layer_to_show(const SinkProfile& sinks) {
  const auto later = sinks.sink_layers_after(sinks.dominant_spike);
  return later.empty() ? sinks.onset_layer() : later.front();
}

void masked_attention_maps(Claim& claim) {
  claim.sinks();
  const auto on = claim.primary();
  const auto target = claim.parameters.integer("target");
  const auto layer = layer_to_show(claim.survey.sinks);
  auto untouched = claim.run(on), masked = claim.run(on, {only_itself(target, {1, claim.config().layers})});
  const auto before = untouched.add(watch_map(layer, on.length())), after = masked.add(watch_map(layer, on.length()));
  const auto heads_before = untouched.add(watch_heads(on)), heads_after = masked.add(watch_heads(on));
  const auto words = words_of(claim, *on.tokens, *heads_before);
  claim.report([=](Measure& measure) {
    const auto seen = "position " + std::to_string(target) + " sees only itself";
    const auto show = [&](const std::string& name, const std::string& title, const Watch& map) {
      measure.map(name, on, "Attention in layer " + std::to_string(layer) + ", " + title,
                  {{"layer", layer}, {"target", target}}, map.layer(layer).mean(0));
    };
    show("attention_map_before", "untouched", *before);
    show("attention_map_after", seen, *after);
    measure.head_maps(head_maps({"untouched", seen}, {heads_before->shares(), heads_after->shares()}, words, layer));
  });
}

REPLICATE_DESCRIPTION(mask_induced_sink, masked_attention_maps, "target");

}  // namespace
}  // namespace replicate
