#include "models/block.h"

#include "models/fused_gradients.h"

namespace replicate {
namespace {

/// What the block goes on with at a site: the value itself when nobody has hung a tap in.
Tensor visit(Tap* tap, Site site, Tensor value) {
  return tap ? tap->at(site, std::move(value)) : value;
}

/// [B, T, n K] -> [B, n, T, K]
Tensor split_heads(const Tensor& x, int64_t head_width) {
  return x.unflatten(-1, {-1, head_width}).transpose(1, 2);
}

/// Rotates pairs (i, i + K/2): the half-split layout of `transformers`.
Tensor rotate(const Tensor& x, const RotaryTable& rotary) {
  const auto halves = x.chunk(2, -1);
  return (x * rotary.cosine + at::cat({-halves[1], halves[0]}, -1) * rotary.sine).to(x.scalar_type());
}

/// What W_O reads: the heads [B, T, H, K], each over its own RMS and gated by the block's normed input, where the
/// model is so made.
Tensor mitigated(const ModelConfig& config, const BlockWeights& weights, const Tensor& normed, Tensor heads) {
  constexpr double kHeadNormEps = 1e-6;
  if (config.head_rms_norm) heads = rms_norm(heads, weights.head_norm, kHeadNormEps).to(heads.scalar_type());
  if (!config.output_gate) return heads;
  return heads * at::linear(normed, weights.output_gate).unflatten(-1, {-1, config.head_width}).sigmoid();
}

Tensor attention(const ModelConfig& config, const BlockWeights& weights, const RotaryTable& rotary,
                 const Tensor& normed, Tap* tap) {
  const auto k_width = config.head_width;
  auto q = rotate(split_heads(at::linear(normed, weights.query), k_width), rotary);
  auto k = rotate(split_heads(at::linear(normed, weights.key), k_width), rotary);
  q = visit(tap, Site::query, std::move(q));
  k = visit(tap, Site::key, std::move(k));
  const auto v = visit(tap, Site::value, split_heads(at::linear(normed, weights.value), k_width));

  const double scale = 1 / std::sqrt(static_cast<double>(k_width));
  auto spec = tap ? tap->attention_spec(scale) : AttentionSpec{.scale = scale};
  spec.sigmoid_bias = config.sigmoid_bias;
  auto result = attend(q, k, v, spec, tap ? tap->attention_needs() : AttentionNeeds{});
  if (tap) tap->attention(result.statistics);
  const auto heads = visit(tap, Site::head_output, std::move(result.output));  // [B, T, H, K]
  const auto read = visit(tap, Site::gated_output, mitigated(config, weights, normed, heads));
  return visit(tap, Site::projected, at::linear(read.flatten(2), weights.output));
}

Tensor feed_forward(const BlockWeights& weights, const Tensor& normed, Tap* tap) {
  const auto gate = visit(tap, Site::gate, at::linear(normed, weights.gate));
  const auto up = visit(tap, Site::up, at::linear(normed, weights.up));
  const auto hidden = visit(tap, Site::hidden, at::silu(gate) * up);
  return visit(tap, Site::ffn_output, at::linear(hidden, weights.down));
}

}  // namespace

RotaryTable rotary_table(const ModelConfig& config, int64_t length, at::Device device) {
  // Angles in float64: at position 100,000 a float32 angle is off by 0.004 rad.
  const auto options = at::TensorOptions(at::kDouble).device(device);
  const auto exponent = at::arange(0, config.head_width, 2, options) / config.head_width;
  const auto frequency = at::pow(config.rope_theta, -exponent);                  // [K / 2]
  const auto angle = at::outer(at::arange(length, options), frequency).repeat({1, 2});  // [T, K]
  return {angle.cos().to(at::kFloat), angle.sin().to(at::kFloat)};
}

Tensor rms_norm(const Tensor& x, const Tensor& gain, double eps) {
  if (is_fused(x) && is_fused(gain)) return fused_rms_norm(x, gain, eps);
  const auto wide = widened(x);
  const auto inverse = at::rsqrt(wide.square().mean(-1, true) + eps);
  return (wide * inverse).to(gain.scalar_type()) * gain;
}

Tensor block_forward(const ModelConfig& config, const BlockWeights& weights,
                     const RotaryTable& rotary, const Tensor& residual, Tap* tap) {
  const auto input = visit(tap, Site::block_input, residual);
  const auto type = weights.query.scalar_type();  // of matrix products; the residual stream keeps its own
  const auto attention_normed = visit(
      tap, Site::attention_normed, rms_norm(input, weights.attention_norm, config.norm_eps).to(type));
  const auto mid = visit(tap, Site::mid_residual,
                         input + attention(config, weights, rotary, attention_normed, tap));
  const auto ffn_normed =
      visit(tap, Site::ffn_normed, rms_norm(mid, weights.ffn_norm, config.norm_eps).to(type));
  return visit(tap, Site::block_output, mid + feed_forward(weights, ffn_normed, tap));
}

}  // namespace replicate
