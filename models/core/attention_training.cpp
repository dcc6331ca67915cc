#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "models/core/attention.h"

namespace replicate {
namespace {

constexpr int64_t kQueriesAtOnce = 128;

/// One block of queries against the keys they may see.
struct QueryBlock {
  int64_t first, rows, keys;
  Tensor of_queries(const Tensor& x) const { return x.narrow(2, first, rows); }  // [B, H, rows, K]
  Tensor of_keys(const Tensor& x) const { return x.narrow(2, 0, keys); }         // [B, H, keys, K]
};

std::vector<QueryBlock> query_blocks(int64_t length) {
  std::vector<QueryBlock> blocks;
  for (int64_t first = 0; first < length; first += kQueriesAtOnce) {
    const auto rows = std::min(kQueriesAtOnce, length - first);
    blocks.push_back({first, rows, first + rows});
  }
  return blocks;
}

/// A [B, H, rows, keys] of one block: sigmoid(q k / sqrt K + bias), nothing ahead of the query.
Tensor sigmoid_probabilities(const QueryBlock& block, const Tensor& q, const Tensor& k, double scale, double bias) {
  auto scores = at::matmul(block.of_queries(q), block.of_keys(k).transpose(2, 3));
  return scores.mul_(scale).add_(bias).sigmoid_().tril_(block.first);
}

/// Sigmoid attention has no fused kernel; keeping every block's A for autograd would be half a T x T tensor, so
/// that the backward pass makes each again.
class SigmoidAttention : public torch::autograd::Function<SigmoidAttention> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        double scale, double bias) {
    context->save_for_backward({q, k, v});
    context->saved_data["scale"] = scale;
    context->saved_data["bias"] = bias;
    auto output = at::empty_like(q);
    for (const auto& block : query_blocks(q.size(2))) {
      const auto a = sigmoid_probabilities(block, q, k, scale, bias);
      block.of_queries(output).copy_(at::matmul(a, block.of_keys(v)));
    }
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2];
    const double scale = context->saved_data["scale"].toDouble(), bias = context->saved_data["bias"].toDouble();
    auto dq = at::empty_like(q), dk = at::zeros_like(k), dv = at::zeros_like(v);
    for (const auto& block : query_blocks(q.size(2))) {
      const auto a = sigmoid_probabilities(block, q, k, scale, bias);
      const auto d_output = block.of_queries(gradients[0]);
      block.of_keys(dv).add_(at::matmul(a.transpose(2, 3), d_output));
      const auto d_scores = at::matmul(d_output, block.of_keys(v).transpose(2, 3)).mul_(a).mul_(1 - a).mul_(scale);
      block.of_queries(dq).copy_(at::matmul(d_scores, block.of_keys(k)));
      block.of_keys(dk).add_(at::matmul(d_scores.transpose(2, 3), block.of_queries(q)));
    }
    return {dq, dk, dv, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor attend_training(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec) {
  const auto group = q.size(1) / k.size(1);
  const auto keys = group == 1 ? k : k.repeat_interleave(group, 1);
  const auto values = group == 1 ? v : v.repeat_interleave(group, 1);
  const auto output = spec.sigmoid_bias ? SigmoidAttention::apply(q, keys, values, spec.scale, *spec.sigmoid_bias)
                                        : at::scaled_dot_product_attention(q, keys, values, {}, 0, true, spec.scale);
  return output.transpose(1, 2);
}

}  // namespace replicate
