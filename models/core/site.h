#pragma once

namespace replicate {

/// Where a probe may look and a patch may act, in the order in which a block visits them.
/// Shapes: [B, T, D] unless noted. TransformerLens calls block_input, mid_residual and block_output resid_pre,
/// resid_mid and resid_post, projected attn_out, ffn_output mlp_out, and head_output z.
enum class Site {
  block_input,       ///< the residual stream entering the block
  attention_normed,  ///< what attention reads: after its RMSNorm, gain applied, where one stands before it
  query,             ///< [B, H, T, K] after RoPE
  key,               ///< [B, G, T, K] after RoPE
  value,             ///< [B, G, T, K]
  head_output,       ///< [B, T, H, K] after value aggregation, before W_O
  gated_output,      ///< [B, T, H, K] what W_O reads: head_output after the head norm and the gate, if any
  projected,         ///< W_O's output, before a norm after attention
  mid_residual,      ///< the residual stream after attention
  ffn_normed,        ///< what the FFN reads: after its RMSNorm, gain applied, where one stands before it
  gate,              ///< [B, T, F] W_gate's output, before the activation
  up,                ///< [B, T, F]
  hidden,            ///< [B, T, F] activation(gate) * up
  ffn_output,        ///< W_down's output, before a norm after the FFN
  block_output,      ///< the residual stream leaving the block
  final_norm,        ///< after the model's last RMSNorm; layer L + 1
  logits,            ///< [B, T, V]; layer L + 1, computed only when asked for
};

}  // namespace replicate
