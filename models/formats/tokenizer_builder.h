#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/formats/tokenizer.h"

namespace replicate {

/// Makes a Tokenizer out of what a file says, whatever the form of the file: tokens first, then the
/// rest in any order. Whatever does not fit together is an Error that names the file.
class TokenizerBuilder {
 public:
  /// `words`: the pattern that splits a text, as with_white_space takes it.
  TokenizerBuilder(std::string where, std::string_view words);

  void set_tokens(std::vector<std::string> texts);  ///< by id, as the file spells them
  void set_special(size_t id);

  /// The same for SentencePiece: pieces by id with their scores and kinds. Error unless there
  /// are as many of each, and an unknown token or all bytes.
  void set_pieces(std::vector<std::string> pieces, std::vector<float> scores,
                  const std::vector<SentencePieceBpe::Kind>& kinds, std::optional<int64_t> unknown,
                  bool space_prefix);

  /// `spelled`: as the file spells the merge, for messages.
  void add_merge(std::string_view left, std::string_view right, std::string_view spelled);

  void use_whole_words();  ///< a word that is a token is not split, whatever the merges
  void set_bos(std::optional<int64_t> id, bool is_added);
  void set_eos(std::optional<int64_t> id);

  std::optional<int32_t> find(std::string_view text) const;
  bool has_all_bytes() const;
  [[noreturn]] void fail(const std::string& what) const;

  Tokenizer finish();

 private:
  int32_t id_of(std::string_view text, std::string_view merge) const;

  Tokenizer tokenizer_;
  std::vector<std::string> texts_;
  std::unordered_map<std::string_view, int32_t> ids_;  ///< of texts_
  Sha256 fingerprint_;
};

}  // namespace replicate
