#include "models/core/block.h"

#include "models/core/fused.h"

namespace replicate {
namespace {

/// Returns the value to use at `site`: what the hooks return, or `value` unchanged where there are none.
Tensor visit(Hooks* hooks, Site site, Tensor value) { return hooks ? hooks->at(site, std::move(value)) : value; }

/// [B, T, n K] -> [B, n, T, K]
Tensor split_heads(const Tensor& x, int64_t head_width) { return x.unflatten(-1, {-1, head_width}).transpose(1, 2); }

/// Rotates pairs (i, i + width/2) of the first `width` dimensions: the half-split layout of `transformers`.
Tensor rotate(const Tensor& x, const Positions& positions) {
  if (!positions.cosine.defined()) return x;
  if (is_fused(x)) return fused_rotary(x, positions.cosine, positions.sine);
  const auto width = positions.cosine.size(-1);
  if (width < x.size(-1)) {
    return at::cat({rotate(x.slice(-1, 0, width), positions), x.slice(-1, width)}, -1);
  }
  const auto halves = x.chunk(2, -1);
  return (x * positions.cosine + at::cat({-halves[1], halves[0]}, -1) * positions.sine).to(x.scalar_type());
}

struct Projection {
  const Tensor &weight, &bias;  // [F, D], [F] or undefined
};

/// Matrices that lie one after the other in memory, as one; undefined where they do not.
Tensor one_matrix(std::span<const Projection> all) {
  const auto& first = all.front().weight;
  int64_t rows = 0;
  for (const auto& [weight, bias] : all) {
    const bool next = weight.is_contiguous() && weight.storage().is_alias_of(first.storage()) &&
                      weight.storage_offset() == first.storage_offset() + rows * first.size(1);
    if (!next || bias.defined() || weight.requires_grad()) return {};
    rows += weight.size(0);
  }
  return first.as_strided({rows, first.size(1)}, {first.size(1), 1});
}

/// W x + b for several matrices, by one product where they lie together.
std::vector<Tensor> project(const Tensor& x, std::span<const Projection> all) {
  if (const auto matrix = one_matrix(all); matrix.defined()) {
    std::vector<int64_t> rows;
    for (const auto& projection : all) rows.push_back(projection.weight.size(0));
    return at::linear(x, matrix).split_with_sizes(rows, -1);
  }
  std::vector<Tensor> products;
  for (const auto& [weight, bias] : all) products.push_back(at::linear(x, weight, bias));
  return products;
}

/// RMSNorm whose result goes on as `type`.
Tensor rms_norm_as(at::ScalarType type, const Tensor& x, const Tensor& gain, double eps) {
  if constexpr (kCudaKernels) {
    const bool taken = cuda_kernels_take(x) && cuda_kernels_take(type) && gain.scalar_type() == at::kFloat;
    if (taken) return cuda_rms_norm(x, gain, eps, type);
  }
  return rms_norm(x, gain, eps).to(type);
}

/// True where the residual addition and the FFN's RMSNorm can be one operation. Valid without hooks only, because
/// mid_residual is then never materialised.
bool adds_and_norms_at_once(const ModelConfig& config, const Tensor& x, const Tensor& branch, const Tensor& gain) {
  const bool plain = config.norm_placement == NormPlacement::before && !config.layer_norm && !config.parallel_residual;
  return plain && cuda_kernels_take(x) && cuda_kernels_take(branch) && x.scalar_type() == at::kFloat &&
         gain.scalar_type() == at::kFloat;
}

/// Queries or keys [B, n, T, K] from W x [B, T, n K], normed where the model does that.
Tensor heads_of(const ModelConfig& config, Tensor x, const Tensor& gain) {
  const auto norm = [&](const Tensor& x) { return rms_norm_as(x.scalar_type(), x, gain, config.norm_eps); };
  if (config.query_key_norm == QueryKeyNorm::heads) x = norm(x);
  x = split_heads(x, config.head_width);
  return config.query_key_norm == QueryKeyNorm::head ? norm(x) : x;
}

/// What W_O reads: the heads [B, T, H, K], each over its own RMS and gated by the block's normed input, where the
/// model is so made.
Tensor mitigated(const ModelConfig& config, const BlockWeights& weights, const Tensor& normed, Tensor heads) {
  if (config.head_rms_norm) heads = rms_norm_as(heads.scalar_type(), heads, weights.head_norm, kHeadNormEps);
  if (!config.output_gate) return heads;
  return heads * at::linear(normed, weights.output_gate).unflatten(-1, {-1, config.head_width}).sigmoid();
}

Tensor attention(const ModelConfig& config, const BlockWeights& weights, const Positions& positions,
                 const Tensor& normed, Hooks* hooks) {
  const Projection projections[] = {
      {weights.query, weights.query_bias}, {weights.key, weights.key_bias}, {weights.value, weights.value_bias}};
  const auto projected = project(normed, projections);
  const auto q = visit(hooks, Site::query, rotate(heads_of(config, projected[0], weights.query_norm), positions));
  const auto k = visit(hooks, Site::key, rotate(heads_of(config, projected[1], weights.key_norm), positions));
  const auto v = visit(hooks, Site::value, split_heads(projected[2], config.head_width));

  const double scale = config.score_scale.value_or(1 / std::sqrt(static_cast<double>(config.head_width)));
  auto spec = hooks ? hooks->attention_spec(scale) : AttentionSpec{.scale = scale};
  spec.sigmoid_bias = config.sigmoid_bias;
  spec.window = positions.window;
  auto result = attend(q, k, v, spec, hooks ? hooks->attention_needs() : AttentionNeeds{});
  if (hooks) hooks->attention(result.statistics);
  const auto heads = visit(hooks, Site::head_output, std::move(result.output));  // [B, T, H, K]
  const auto read = visit(hooks, Site::gated_output, mitigated(config, weights, normed, heads));
  return visit(hooks, Site::projected, at::linear(read.flatten(2), weights.output, weights.output_bias));
}

Tensor activated(Activation activation, const Tensor& gate) {
  if (activation == Activation::silu) return at::silu(gate);
  if (activation == Activation::relu) return at::relu(gate);
  return at::gelu(gate, activation == Activation::gelu_tanh ? "tanh" : "none");
}

Tensor feed_forward(const ModelConfig& config, const BlockWeights& weights, const Tensor& normed, Hooks* hooks) {
  const auto gated = [&] {
    const Tensor no_bias;
    const Projection projections[] = {{weights.gate, no_bias}, {weights.up, weights.up_bias}};
    const auto projected = project(normed, projections);
    const auto gate = visit(hooks, Site::gate, projected[0]), up = visit(hooks, Site::up, projected[1]);
    return config.activation == Activation::silu && is_fused(gate) ? fused_swiglu(gate, up)
                                                                   : activated(config.activation, gate) * up;
  };
  const auto ungated = [&] {
    return activated(config.activation, visit(hooks, Site::up, at::linear(normed, weights.up, weights.up_bias)));
  };
  auto hidden = config.gated_ffn ? gated() : ungated();
  hidden = visit(hooks, Site::hidden, std::move(hidden));
  return visit(hooks, Site::ffn_output, at::linear(hidden, weights.down, weights.down_bias));
}

Positions rotary_tables(const Rope& rope, int64_t head_width, int64_t length, at::Device device) {
  // Angles in float64: at position 100,000 a float32 angle is off by 0.004 rad.
  const auto options = at::TensorOptions(at::kDouble).device(device);
  const auto width = rope.width == 0 ? head_width : rope.width;
  const auto exponent = at::arange(0, width, 2, options) / width;
  auto frequency = at::pow(rope.theta, -exponent);  // [width / 2]
  if (!rope.divisors.empty()) frequency = frequency / at::tensor(rope.divisors, options);
  const auto angle = at::outer(at::arange(length, options), frequency).repeat({1, 2});  // [T, width]
  return {angle.cos().to(at::kFloat), angle.sin().to(at::kFloat), {}};
}

}  // namespace

std::vector<Positions> positions_of(const ModelConfig& config, int64_t length, at::Device device) {
  std::vector<std::pair<Rope, Positions>> made;
  const auto tables = [&](const Rope& rope) {
    for (const auto& [known, positions] : made) {
      if (known == rope) return positions;
    }
    return made.emplace_back(rope, rotary_tables(rope, config.head_width, length, device)).second;
  };
  std::vector<Positions> layers;
  for (int64_t layer = 1; layer <= config.layers; ++layer) {
    const auto rope = config.rope_of(layer);
    layers.push_back(rope ? tables(*rope) : Positions{});
    layers.back().window = config.window_of(layer);
  }
  return layers;
}

Tensor rms_norm(const Tensor& x, const Tensor& gain, double eps) {
  if (is_fused(x) && is_fused(gain)) return fused_rms_norm(x, gain, eps);
  const auto wide = widened(x);
  const auto inverse = at::rsqrt(wide.square().mean(-1, true) + eps);
  return (wide * inverse).to(gain.scalar_type()) * gain;
}

Tensor norm(const ModelConfig& config, const Tensor& x, const Tensor& gain, const Tensor& bias) {
  if (!config.layer_norm) return rms_norm(x, gain, config.norm_eps);
  const auto wide = widened(x);
  return rms_norm(wide - wide.mean(-1, true), gain, config.norm_eps) + bias;
}

Tensor block_forward(const ModelConfig& config, const BlockWeights& weights, const Positions& positions,
                     const Tensor& residual, Hooks* hooks) {
  const auto type = weights.query.scalar_type();  // of matrix products; the residual stream keeps its own
  const auto before = [&](const Tensor& x, const Tensor& gain, const Tensor& bias) {
    if (config.norm_placement == NormPlacement::after) return x.to(type);
    return config.layer_norm ? norm(config, x, gain, bias).to(type) : rms_norm_as(type, x, gain, config.norm_eps);
  };
  const auto after = [&](const Tensor& x, const Tensor& gain) {
    return config.norm_placement == NormPlacement::before ? x : rms_norm(x, gain, config.norm_eps);
  };
  const auto input = visit(hooks, Site::block_input, residual);
  const auto attention_normed =
      visit(hooks, Site::attention_normed, before(input, weights.attention_norm, weights.attention_norm_bias));
  const auto attended = attention(config, weights, positions, attention_normed, hooks);
  if constexpr (kCudaKernels) {
    if (!hooks && adds_and_norms_at_once(config, input, attended, weights.ffn_norm)) {
      const auto [mid, normed] = cuda_add_rms_norm(input, attended, weights.ffn_norm, config.norm_eps);
      return mid + feed_forward(config, weights, normed, nullptr);
    }
  }
  const auto mid = visit(hooks, Site::mid_residual, input + after(attended, weights.attention_post_norm));
  const auto& read = config.parallel_residual ? input : mid;
  const auto ffn_normed = visit(hooks, Site::ffn_normed, before(read, weights.ffn_norm, weights.ffn_norm_bias));
  const auto fed = feed_forward(config, weights, ffn_normed, hooks);
  return visit(hooks, Site::block_output, mid + after(fed, weights.ffn_post_norm));
}

}  // namespace replicate
