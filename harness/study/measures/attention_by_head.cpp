#include "harness/study/measures/attention_by_head.h"

#include <numeric>

#include "base/base64.h"

namespace replicate {

ProbeNeeds AttentionByHead::needs(int64_t layer, int64_t layers) const {
  if (layer > layers) return {};
  std::vector<int64_t> queries(static_cast<size_t>(positions_));
  std::iota(queries.begin(), queries.end(), 0);
  return {.attention = {.rows = queries}};
}

void AttentionByHead::observe_attention(const Place& place, const AttentionStatistics& statistics) {
  const auto wanted = sequences_ - place.first_sequence;
  if (wanted <= 0) return;
  std::vector<Tensor> rows;  // another probe may have asked for more of them
  for (int64_t q = 0; q < positions_; ++q) {
    const auto row = statistics.row(q);
    rows.push_back(row.slice(0, 0, std::min(wanted, row.size(0))).slice(2, 0, positions_));  // [b, H, n]
  }
  by_layer_[place.layer].push_back((at::stack(rows, 2) * 255).round().clamp(0, 255).to(at::kByte));
}

Tensor AttentionByHead::shares() const {
  std::vector<Tensor> layers;
  for (const auto& [layer, parts] : by_layer_) layers.push_back(at::cat(parts));
  return at::stack(layers, 1).to(at::kCPU);
}

HeadMaps head_maps(std::vector<std::string> passes, const std::vector<Tensor>& shares,
                   std::vector<std::vector<std::string>> texts, int64_t first_layer) {
  const auto all = at::stack(shares);  // [passes, texts, L, H, n, n]
  const auto n = all.size(4);
  const auto lower = at::tril_indices(n, n);
  const auto kept = all.flatten(4).index_select(4, lower[0] * n + lower[1]).contiguous();
  const auto* bytes = reinterpret_cast<const std::byte*>(kept.const_data_ptr<uint8_t>());
  return {.layers = all.size(2),
          .heads = all.size(3),
          .first_layer = first_layer,
          .passes = std::move(passes),
          .texts = std::move(texts),
          .shares = base64({bytes, static_cast<size_t>(kept.numel())})};
}

}  // namespace replicate
