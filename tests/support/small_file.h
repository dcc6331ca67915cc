#pragma once

// A model file that is whole: weights and a tokenizer.

#include <cmath>
#include <functional>

#include "tests/support/gguf_writer.h"

namespace replicate {

inline constexpr int64_t kSmallWidth = 32, kSmallHidden = 32, kSmallVocabulary = 256;

/// The 256 byte tokens in the alphabet of byte-level BPE, one character each.
inline std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens(256);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    const int code = printable ? byte : next++;
    if (code < 128) {
      tokens[byte] = static_cast<char>(code);
    } else {
      tokens[byte] = {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    }
  }
  return tokens;
}

/// A sound llama file of two small layers; `change` may spoil a tensor's numbers.
inline GgufWriter small_file(
    TensorType type = TensorType::f32,
    const std::function<void(const std::string& tensor, std::vector<float>& numbers)>& change = {}) {
  GgufWriter file;
  file.text("general.architecture", "llama")
      .unsigned_integer("llama.block_count", 2)
      .unsigned_integer("llama.embedding_length", kSmallWidth)
      .unsigned_integer("llama.attention.head_count", 4)
      .unsigned_integer("llama.attention.head_count_kv", 2)
      .unsigned_integer("llama.feed_forward_length", kSmallHidden)
      .real("llama.attention.layer_norm_rms_epsilon", 1e-5F)
      .text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", "gpt-2")
      .texts("tokenizer.ggml.tokens", byte_tokens())
      .texts("tokenizer.ggml.merges", {});
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    int64_t n = 1;
    for (const auto size : shape) n *= size;
    std::vector<float> numbers(n);
    for (int64_t i = 0; i < n; ++i) numbers[i] = shape.size() == 1 ? 1 : 0.05F * std::sin(0.7F * i + n);
    if (change) change(name, numbers);
    file.tensor(name, shape, numbers, shape.size() == 1 ? TensorType::f32 : type);
  };
  add("token_embd.weight", {kSmallVocabulary, kSmallWidth});
  add("output_norm.weight", {kSmallWidth});
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    add(layer + "attn_norm.weight", {kSmallWidth});
    add(layer + "attn_q.weight", {kSmallWidth, kSmallWidth});
    add(layer + "attn_k.weight", {kSmallWidth / 2, kSmallWidth});
    add(layer + "attn_v.weight", {kSmallWidth / 2, kSmallWidth});
    add(layer + "attn_output.weight", {kSmallWidth, kSmallWidth});
    add(layer + "ffn_norm.weight", {kSmallWidth});
    add(layer + "ffn_gate.weight", {kSmallHidden, kSmallWidth});
    add(layer + "ffn_up.weight", {kSmallHidden, kSmallWidth});
    add(layer + "ffn_down.weight", {kSmallWidth, kSmallHidden});
  }
  return file;
}

}  // namespace replicate
