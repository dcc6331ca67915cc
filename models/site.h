#pragma once

namespace replicate {

/// Where a probe may look and a patch may act, in the order in which a block visits them.
/// Shapes: [B, T, D] unless noted.
enum class Site {
  block_input,       ///< the residual stream entering the block
  attention_normed,  ///< after the attention RMSNorm, gain applied
  query,             ///< [B, H, T, K] after RoPE
  key,               ///< [B, G, T, K] after RoPE
  value,             ///< [B, G, T, K]
  head_output,       ///< [B, T, H, K] after value aggregation, before W_O
  gated_output,      ///< [B, T, H, K] what W_O reads: head_output after the head norm and the gate, if any
  projected,         ///< W_O's output
  mid_residual,      ///< the residual stream after attention
  ffn_normed,        ///< after the FFN's RMSNorm, gain applied
  gate,              ///< [B, T, F] W_gate's output, before the activation
  up,                ///< [B, T, F]
  hidden,            ///< [B, T, F] silu(gate) * up
  ffn_output,        ///< W_down's output
  block_output,      ///< the residual stream leaving the block
  final_norm,        ///< after the model's last RMSNorm; layer L + 1
  logits,            ///< [B, T, V]; layer L + 1, computed only when asked for
};

}  // namespace replicate
