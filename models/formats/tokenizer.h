#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/formats/merges.h"
#include "models/formats/regex.h"
#include "models/formats/sentencepiece_bpe.h"
#include "models/formats/sha256.h"

namespace replicate {

class GgufFile;

/// Byte-level BPE with the vocabulary, the merges and the pre-tokenizer a GGUF file names: a
/// regular expression splits the text into words, and within a word the pair of neighbours with the
/// lowest rank is merged until none is left. Or, where the file says so, SentencePiece's BPE. Gives
/// the token ids of the PyPI package `tokenizers`. Source: Sennrich et al. 2016 (BPE), Radford et
/// al. 2019 (on bytes). Thread-safe once made.
///
/// What is a letter, a digit or a space follows the Unicode version of the PCRE2 library (14 in
/// Debian 12); characters that came later may be split otherwise.
class Tokenizer {
 public:
  /// Error when the file has no tokenizer, one that is neither kind of BPE, an unknown
  /// pre-tokenizer, or scores, merges and ids that do not fit its vocabulary.
  static Tokenizer from_gguf(const GgufFile& file);

  /// From the tokenizer.json of Hugging Face's library of that name, of byte-level BPE: no
  /// normalizer, words by ByteLevel's own pattern or by one Split before it, and no added tokens
  /// but special ones. `<|endoftext|>` serves as BOS and EOS. With `vocabulary`, only the first so
  /// many ids are kept: merges build on each other, so that a smaller vocabulary is a beginning of
  /// a larger one. Error when the file is anything else, and when special tokens or single bytes
  /// would be lost or the merges are not in the order of their ids.
  static Tokenizer from_json(const std::filesystem::path& path,
                             std::optional<int64_t> vocabulary = {});

  /// The same for a text in memory; `where` names it in messages.
  static Tokenizer from_json_text(std::string_view text, const std::string& where,
                                  std::optional<int64_t> vocabulary = {});

  /// Ids of plain text: no special token is added, and text that spells one is split like any
  /// other. Ill-formed UTF-8 is replaced by U+FFFD first. Bytes the vocabulary has no token for are
  /// left out, as `tokenizers` does.
  std::vector<int64_t> encode(std::string_view text) const;

  /// The bytes the tokens stand for, special ones spelled out. A token may hold part of a
  /// character, so replace_invalid_utf8 the result before showing it. Error on an id outside the
  /// vocabulary.
  std::string decode(std::span<const int64_t> ids) const;

  /// A digest of all that encode depends on: tokens, merges, pattern.
  const Sha256Digest& fingerprint() const { return fingerprint_; }

  int64_t vocabulary_size() const { return static_cast<int64_t>(tokens_.size()); }
  std::optional<int64_t> bos() const { return bos_; }
  std::optional<int64_t> eos() const { return eos_; }
  bool adds_bos() const { return adds_bos_; }  ///< the model was trained with bos() before a text

  /// Control, unknown and unused tokens: those that ordinary text does not give. False outside the
  /// vocabulary.
  bool is_special(int64_t id) const;

 private:
  friend class TokenizerBuilder;

  explicit Tokenizer(Regex words) : words_(std::move(words)) {}
  /// The matches of the pattern, and what lies between them.
  void each_word(std::string_view text, const std::function<void(std::string_view)>& use) const;
  void encode_word(std::string_view word, std::vector<int64_t>& ids) const;

  std::string where_;
  Regex words_;
  std::vector<std::string> tokens_;      ///< by id, as bytes
  std::vector<bool> special_;            ///< by id
  std::array<int32_t, 256> byte_ids_{};  ///< by byte, -1 where there is no token
  MergeTable merges_;
  std::shared_ptr<const SentencePieceBpe> sentencepiece_;  ///< in place of words and merges, or null
  std::unordered_map<std::string, int32_t> whole_words_;  ///< words that are never split, to ids
  std::optional<int64_t> bos_;
  std::optional<int64_t> eos_;
  bool adds_bos_ = false;
  Sha256Digest fingerprint_{};
};

}  // namespace replicate
