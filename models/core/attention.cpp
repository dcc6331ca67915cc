#include "models/core/attention.h"

#include <algorithm>

#include "models/core/cuda_glue.h"
#include "models/core/entropy.h"

namespace replicate {
namespace {

constexpr int64_t kQueryBlock = 128;  // scores held at once: 128 x T per head

int64_t index_of(const std::vector<int64_t>& all, int64_t wanted) {
  const auto found = std::find(all.begin(), all.end(), wanted);
  TORCH_CHECK(found != all.end(), "position ", wanted, " was not asked for");
  return found - all.begin();
}

/// False where query first + i may not see key j, as [B or 1, 1, rows, keys].
Tensor visibility(const AttentionSpec& spec, int64_t first, int64_t rows, int64_t keys, at::Device device) {
  const auto options = at::TensorOptions(at::kBool).device(device);
  auto visible = at::ones({rows, keys}, options).tril(first).view({1, 1, rows, keys});
  if (spec.identity) visible = visible.triu(first);
  if (spec.window) visible = visible.triu(first - *spec.window + 1);
  for (const auto& row : spec.rows) {
    if (row.query < first || row.query >= first + rows) continue;
    const auto lists = static_cast<int64_t>(row.keys.size());
    if (visible.size(0) < lists) visible = visible.expand({lists, 1, rows, keys}).clone();
    for (int64_t b = 0; b < visible.size(0); ++b) {
      auto one = visible[b][0][row.query - first].zero_();
      for (const auto key : row.keys[lists == 1 ? 0 : b]) one[key] = true;
    }
  }
  return visible;
}

/// Statistics of one block of queries; a [B, H, rows, keys] float32 probabilities.
void collect(const Tensor& a, int64_t first, AttentionStatistics& s) {
  const auto rows = a.size(2), keys = a.size(3);
  for (size_t c = 0; c < s.needs.columns.size(); ++c) {
    const auto key = s.needs.columns[c];
    if (key < keys) s.columns.narrow(2, first, rows).select(3, c).copy_(a.select(3, key));
  }
  for (size_t r = 0; r < s.needs.rows.size(); ++r) {
    const auto query = s.needs.rows[r];
    if (query < first || query >= first + rows) continue;
    s.rows.select(2, r).narrow(2, 0, keys).copy_(a.select(2, query - first));
  }
  if (s.needs.received) s.received.narrow(2, 0, keys).add_(a.tril(first - 1).sum(2));
  if (s.needs.entropy) s.entropy.narrow(2, first, rows).copy_(entropy_terms(a).sum(3));
  if (s.needs.sum_squares) s.sum_squares.narrow(2, first, rows).copy_(a.square().sum(3));
  if (s.needs.total) s.total.narrow(2, first, rows).copy_(a.sum(3));
}

/// From scores to what each query takes of each key; nothing where it may not look.
Tensor probabilities(const Tensor& scores, const Tensor& visible, const AttentionSpec& spec) {
  if (spec.sigmoid_bias) {
    return (scores + *spec.sigmoid_bias).sigmoid().masked_fill(visible.logical_not(), 0);
  }
  return scores.masked_fill(visible.logical_not(), -INFINITY).softmax(-1);
}

}  // namespace

Tensor AttentionStatistics::column(int64_t key) const { return columns.select(3, index_of(needs.columns, key)); }

Tensor AttentionStatistics::row(int64_t query) const { return rows.select(2, index_of(needs.rows, query)); }

AttentionStatistics make_statistics(const Tensor& q, const AttentionNeeds& needs) {
  const auto b = q.size(0), h = q.size(1), t = q.size(2);
  const auto options = at::TensorOptions(at::kFloat).device(q.device());
  AttentionStatistics s;
  s.needs = needs;
  if (!needs.columns.empty()) {
    s.columns = at::zeros({b, h, t, static_cast<int64_t>(needs.columns.size())}, options);
  }
  if (!needs.rows.empty()) {
    s.rows = at::zeros({b, h, static_cast<int64_t>(needs.rows.size()), t}, options);
  }
  if (needs.received) s.received = at::zeros({b, h, t}, options);
  if (needs.entropy) s.entropy = at::zeros({b, h, t}, options);
  if (needs.sum_squares) s.sum_squares = at::zeros({b, h, t}, options);
  if (needs.total) s.total = at::zeros({b, h, t}, options);
  return s;
}

AttentionResult attend_plain(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                             const AttentionNeeds& needs) {
  const auto length = q.size(2), group = q.size(1) / k.size(1);
  const auto keys = k.repeat_interleave(group, 1), values = v.repeat_interleave(group, 1);
  auto statistics = make_statistics(q, needs);
  std::vector<Tensor> outputs;
  for (int64_t first = 0; first < length; first += kQueryBlock) {
    const auto rows = std::min(kQueryBlock, length - first), seen = first + rows;
    auto scores = at::matmul(q.narrow(2, first, rows), keys.narrow(2, 0, seen).transpose(2, 3));
    scores = widened(scores) * spec.scale;
    const auto visible = visibility(spec, first, rows, seen, q.device());
    const auto a = probabilities(scores, visible, spec);
    if (needs.any()) collect(a.detach(), first, statistics);
    outputs.push_back(at::matmul(a.to(v.scalar_type()), values.narrow(2, 0, seen)));
  }
  return {at::cat(outputs, 2).transpose(1, 2), std::move(statistics)};
}

AttentionResult attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                       const AttentionNeeds& needs) {
  TORCH_CHECK(q.dim() == 4 && k.sizes() == v.sizes(), "q, k and v must be [B, H or G, T, K]");
  TORCH_CHECK(q.size(1) % k.size(1) == 0, "key/value heads must divide the query heads");
  if (c10::GradMode::is_enabled() && q.requires_grad()) {
    TORCH_CHECK(!needs.any() && spec.rows.empty() && !spec.identity && !spec.window,
                "training attention has no statistics, masks or windows");
    return {attend_training(q, k, v, spec), {}};
  }
  if constexpr (kCudaKernels) {
    if (cuda_kernels_take(q, k, v, spec)) return attend_cuda(q, k, v, spec, needs);
  }
  if (at::isReducedFloatingType(q.scalar_type())) {  // scores and all that is counted in float32
    auto result = attend(widened(q), widened(k), widened(v), spec, needs);
    result.output = result.output.to(q.scalar_type());
    return result;
  }
  const bool fast = q.is_cpu() && q.scalar_type() == at::kFloat && !spec.sigmoid_bias;
  return fast ? attend_cpu(q, k, v, spec, needs) : attend_plain(q, k, v, spec, needs);
}

}  // namespace replicate
