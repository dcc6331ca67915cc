#pragma once

// Small tokenizers in the form of Hugging Face's tokenizer.json, for tests.

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/tokenizer/tokenizer.h"

namespace replicate {

/// How GPT-2 spells a byte, as UTF-8.
inline std::string spelled_byte(int byte) {
  const auto printable = [](int b) { return (b > 0x20 && b < 0x7f) || (b > 0xa0 && b != 0xad); };
  int point = byte;
  if (!printable(byte)) {
    point = 0x100;
    for (int b = 0; b < byte; ++b) point += !printable(b);
  }
  if (point < 0x80) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xc0 | point >> 6), static_cast<char>(0x80 | (point & 0x3f))};
}

/// `<|endoftext|>`, then every byte, then the merges.
inline nlohmann::json byte_tokenizer_json(const std::vector<std::pair<std::string, std::string>>& merges = {}) {
  nlohmann::json vocabulary = {{"<|endoftext|>", 0}};
  for (int byte = 0; byte < 256; ++byte) vocabulary[spelled_byte(byte)] = 1 + byte;
  nlohmann::json pairs = nlohmann::json::array();
  for (const auto& [left, right] : merges) {
    vocabulary.emplace(left + right, vocabulary.size());
    pairs.push_back({left, right});
  }
  return {{"version", "1.0"},
          {"added_tokens", {{{"id", 0}, {"content", "<|endoftext|>"}, {"special", true}}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", pairs}}}};
}

inline Tokenizer byte_tokenizer(const std::vector<std::pair<std::string, std::string>>& merges = {}) {
  return Tokenizer::from_json_text(byte_tokenizer_json(merges).dump(), "test.json");
}

}  // namespace replicate
