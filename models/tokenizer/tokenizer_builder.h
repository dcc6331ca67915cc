#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/tokenizer/bpe.h"
#include "models/tokenizer/sentencepiece_bpe.h"
#include "models/tokenizer/tokenizer.h"

namespace replicate {

/// Makes a Tokenizer out of what a file says, whatever the form of the file: tokens first, then the
/// rest in any order. Whatever does not fit together is an Error that names the file.
class TokenizerBuilder {
 public:
  TokenizerBuilder(std::string where, TextSteps steps);

  /// BPE: tokens by id, as the file spells them: bytes in GPT-2's alphabet, or characters with U+2581 for a space.
  void set_tokens(std::vector<std::string> texts, Bpe::Begin begin = Bpe::Begin::bytes);
  void use_byte_fallback();  ///< tokens like <0x0A> are bytes
  /// `spelled`: as the file spells the merge, for messages.
  void add_merge(std::string_view left, std::string_view right, std::string_view spelled);
  void use_whole_words();                    ///< a word that is a token is not split, whatever the merges
  void set_unknown(int32_t id, bool fused);  ///< see Bpe

  /// Unigram: the same spelling, with a score each; what has none is an added token.
  void set_unigram(std::vector<std::string> pieces, std::vector<double> scores, std::optional<int32_t> unknown,
                   bool byte_fallback);

  /// SentencePiece's BPE out of GGUF. Error unless there are as many scores and kinds as pieces, and an unknown token
  /// or all bytes.
  void set_pieces(std::vector<std::string> pieces, std::vector<float> scores,
                  const std::vector<SentencePieceBpe::Kind>& kinds, std::optional<int64_t> unknown, bool space_prefix);

  /// Any other model: what its tokens stand for, and a description, as TextSteps has one.
  void set_model(std::shared_ptr<const TokenModel> model, std::vector<std::string> bytes, std::string_view description);

  void set_special(size_t id);
  void add_token(AddedToken token, bool normalized);  ///< found before all else: see AddedTokens
  void set_bos(std::optional<int64_t> id, bool is_added);
  void set_eos(std::optional<int64_t> id);

  std::optional<int32_t> find(std::string_view text) const;  ///< of set_tokens and set_unigram
  bool has_all_bytes() const;                                ///< of BPE: every byte has a token
  [[noreturn]] void fail(const std::string& what) const;

  Tokenizer finish();

 private:
  int32_t id_of(std::string_view text, std::string_view merge) const;
  void check_added(std::string_view text) const;
  void check_size(size_t tokens) const;
  void keep_texts(std::vector<std::string> texts);

  Tokenizer tokenizer_;
  std::shared_ptr<Bpe> bpe_;  ///< null for other models
  Bpe::Begin begin_ = Bpe::Begin::bytes;
  std::vector<std::string> texts_;
  std::unordered_map<std::string_view, int32_t> ids_;  ///< of texts_
  Sha256 fingerprint_;
};

}  // namespace replicate
