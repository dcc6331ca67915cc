#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "models/tokenizer/added_tokens.h"
#include "models/tokenizer/text_steps.h"
#include "models/tokenizer/token_model.h"

namespace replicate {

class GgufFile;

/// Text to token ids, as the file that comes with a model says: added tokens are found first; what lies between them is
/// normalized, split into words, and each word goes through a model, which is BPE on bytes or characters, Unigram, or
/// SentencePiece's. Gives the ids of PyPI `tokenizers`, of `sentencepiece` for its own files, of llama.cpp for such
/// pieces in GGUF (but where user-defined tokens overlap, the leftmost counts everywhere, not the longest). Thread-safe
/// once made.
///
/// What is a letter, a digit or a space follows the Unicode version of the PCRE2 library (14 in
/// Debian 12); characters that came later may be split otherwise.
class Tokenizer {
 public:
  /// Error when the file has no tokenizer, one that is neither kind of BPE, an unknown
  /// pre-tokenizer, or scores, merges and ids that do not fit its vocabulary.
  static Tokenizer from_gguf(const GgufFile& file);

  /// From the tokenizer.json of Hugging Face's library of that name. A token `<|endoftext|>` serves as BOS and EOS.
  /// With a `vocabulary` smaller than the file's, only the first so many ids are kept: merges build on each other, so
  /// that a smaller vocabulary is a beginning of a larger one. Error when the file uses what is not known here, and
  /// when BOS, EOS or single bytes would be lost or the merges are not in the order of their ids.
  static Tokenizer from_json(const std::filesystem::path& path, std::optional<int64_t> vocabulary = {});

  /// The same for a text in memory; `where` names it in messages.
  static Tokenizer from_json_text(std::string_view text, const std::string& where,
                                  std::optional<int64_t> vocabulary = {});

  /// From SentencePiece's tokenizer.model. Error when that library refuses it, or when the program was built without
  /// it.
  static Tokenizer from_sentencepiece(const std::filesystem::path& path);

  /// The same for a file in memory.
  static Tokenizer from_sentencepiece_bytes(std::string_view bytes, const std::string& where);

  /// From a model's folder: its tokenizer.json, or else vocab.json and merges.txt (GPT-2), or else tokenizer.model,
  /// with the BOS and EOS of tokenizer_config.json. `vocabulary`: the model's rows. Error when there is none, and when
  /// the file has more tokens than the model rows; but special ones at its end, which no text gives, are left out, and
  /// a run of `replicate train` is read as from_json does.
  static Tokenizer from_folder(const std::filesystem::path& folder, int64_t vocabulary);

  /// Ids of plain text: no special token is added, and text that spells one is split like any
  /// other. Ill-formed UTF-8 is replaced by U+FFFD first. Bytes the vocabulary has no token for are
  /// left out, as `tokenizers` does.
  std::vector<int64_t> encode(std::string_view text) const;

  /// The same for a text in which what spells a special token is that token, as chat templates mean it.
  std::vector<int64_t> encode_with_special(std::string_view text) const;

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

  Tokenizer() = default;
  using UseWord = std::function<void(std::string_view)>;
  void each_word(const Piece& piece, const UseWord& use_word, const std::function<void(int32_t)>& use_id) const;

  std::string where_;
  AddedTokens raw_;         ///< found in the text as it is
  AddedTokens normalized_;  ///< found in what the normalizers make of it
  TextSteps steps_;
  std::shared_ptr<const TokenModel> model_;
  std::vector<std::string> tokens_;  ///< by id, as bytes
  std::vector<bool> special_;        ///< by id
  std::optional<int64_t> bos_;
  std::optional<int64_t> eos_;
  bool adds_bos_ = false;
  Sha256Digest fingerprint_{};
};

}  // namespace replicate
