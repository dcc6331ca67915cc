#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace replicate {

class GgufFile;

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
  double rope_theta = 10000;
  bool tied_head = true;  ///< the embedding is the output head

  bool begins_with_bos = false;  ///< trained here on sequences that all begin with BOS

  // Variants of attention, as the paper trains them.
  bool head_rms_norm = false;  ///< head outputs over their own RMS, times a gain [K], before W_O
  bool output_gate = false;    ///< head outputs times sigmoid(x W_g) before W_O (Qiu et al.)
  std::optional<double> sigmoid_bias = {};  ///< sigmoid(score + bias) in place of softmax

  bool operator==(const ModelConfig&) const = default;
};

/// Throws Error when a field is missing, absurd or inconsistent; `where` names the file.
void check(const ModelConfig& config, const std::string& where);

/// Reads the llama.* metadata. Error on another architecture and on what is not applied: RoPE scaling,
/// partial rotation, values of another width than keys.
ModelConfig config_from_gguf(const GgufFile& file, const std::string& where);

int64_t parameters(const ModelConfig& config);  ///< number of weights, a tied head counted once

/// Floating-point operations of one block over `sequences` x `length` tokens (2 per multiply-add,
/// attention counted over the causal half), and of the head over one token.
double block_flops(const ModelConfig& config, int64_t sequences, int64_t length);

}  // namespace replicate
