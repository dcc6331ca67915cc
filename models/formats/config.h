#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace replicate {

/// Wider heads are refused: no model has them, and a damaged file may.
inline constexpr int64_t kLargestHeadWidth = 1 << 16;

/// Added to the mean square of a head before its root is taken, with head_rms_norm.
inline constexpr double kHeadNormEps = 1e-6;

/// Rotary position embedding: pair i of the first `width` dimensions of a head turns by
/// theta^(-2 i / width) / divisors[i] a position.
struct Rope {
  double theta = 10000;
  int64_t width = 0;                  ///< dimensions of a head that turn; 0: all of them
  std::vector<double> divisors = {};  ///< RoPE scaling, by pair; empty: ones

  bool operator==(const Rope&) const = default;
};

/// Where RMSNorm stands: before attention and FFN (Llama), after them (OLMo 2), or on both sides (Gemma 3).
enum class NormPlacement { before, after, around };
/// RMSNorm of queries and keys before RoPE: over each head (Qwen 3, Gemma 3), or over all heads together (OLMo 2).
enum class QueryKeyNorm { none, head, heads };
enum class Activation { silu, gelu, gelu_tanh, relu };

/// The block description: every architecture and every variant is a setting of these fields, and
/// `block_forward` reads nothing else. Shapes elsewhere use its letters: B sequences, T positions,
/// H query heads, G key/value heads, K head width, D model width, F hidden width, V vocabulary.
struct ModelConfig {
  std::string architecture = "llama";
  int64_t layers = 0;      ///< L
  int64_t width = 0;       ///< D
  int64_t heads = 0;       ///< H
  int64_t kv_heads = 0;    ///< G; divides H
  int64_t head_width = 0;  ///< K; even
  int64_t hidden = 0;      ///< F
  int64_t vocabulary = 0;  ///< V
  int64_t context = 0;     ///< longest T the model was trained for
  double norm_eps = 1e-5;
  Rope rope;
  bool tied_head = true;  ///< the embedding is the output head
  bool has_head = true;   ///< without: the model ends with the final norm, and there are no logits

  // What Llama's relatives change.
  NormPlacement norm_placement = NormPlacement::before;
  QueryKeyNorm query_key_norm = QueryKeyNorm::none;
  Activation activation = Activation::silu;
  bool qkv_bias = false, output_bias = false;
  bool layer_norm = false;                 ///< LayerNorm with a bias in place of RMSNorm (GPT-NeoX, GPT-2, OPT)
  bool parallel_residual = false;          ///< the FFN reads the block's input, not what attention has left (GPT-NeoX)
  bool gated_ffn = true;                   ///< without: hidden = activation(up), and there is no gate (GPT-NeoX, ...)
  bool ffn_bias = false;                   ///< of up and down
  std::optional<double> score_scale = {};  ///< of q k; 1 / sqrt(K) unless given
  double embedding_scale = 1;
  std::vector<bool> unrotated = {};  ///< by layer: attention without RoPE (SmolLM 3, GPT-2, OPT); empty: none
  int64_t learned_positions = 0;     ///< rows of a table, one per position, that is added to the embedding; 0: none
  std::vector<bool> sliding = {};    ///< by layer: a query sees `window` positions, itself the last; empty: none
  int64_t window = 0;
  std::optional<Rope> sliding_rope = {};  ///< of sliding layers, where it differs (Gemma 3)

  bool begins_with_bos =
      false;  ///< trained on sequences that all begin with BOS (Gemma 3, and models of training here)

  // Variants of attention, as the paper trains them.
  bool head_rms_norm = false;               ///< head outputs over their own RMS, times a gain [K], before W_O
  bool output_gate = false;                 ///< head outputs times sigmoid(x W_g) before W_O (Qiu et al.)
  std::optional<double> sigmoid_bias = {};  ///< sigmoid(score + bias) in place of softmax

  bool operator==(const ModelConfig&) const = default;

  bool rotates() const;  ///< in any layer
  bool has_own_head() const { return has_head && !tied_head; }

  // Of layer 1..L; nothing: no rotation, no window.
  std::optional<Rope> rope_of(int64_t layer) const;
  std::optional<int64_t> window_of(int64_t layer) const;
};

/// The counts alone, which others are computed from. Error as check.
void check_counts(const ModelConfig& config, const std::string& where);

/// Throws Error when a field is missing, absurd or inconsistent; `where` names the file.
void check(const ModelConfig& config, const std::string& where);

/// Floating-point operations of one block over `sequences` x `length` tokens (2 per multiply-add,
/// attention counted over the causal half), and of the head over one token.
double block_flops(const ModelConfig& config, int64_t sequences, int64_t length);

}  // namespace replicate
