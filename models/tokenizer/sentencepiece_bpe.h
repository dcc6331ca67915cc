#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/tokenizer/added_tokens.h"
#include "models/tokenizer/token_model.h"

namespace replicate {

/// Byte-pair encoding as SentencePiece does it: a whole text without pre-tokenizer, spaces written as U+2581; of all
/// neighbours whose concatenation is a piece those with the highest score are merged first, of equals the leftmost.
/// A character that is in no piece becomes its bytes. Source: bpe_model.cc of SentencePiece (Kudo and Richardson 2018).
class SentencePieceBpe : public TokenModel {
 public:
  enum class Kind { normal, user_defined, byte, other };  ///< other: control, unknown and unused, which no text gives

  /// Pieces by id, as the file spells them, and as many scores and kinds. `space_prefix`: a text, and what stands
  /// after a user-defined piece, begins with a space that is not its own (so llama.cpp; SentencePiece's library knows
  /// the former).
  SentencePieceBpe(std::vector<std::string> pieces, std::vector<float> scores, const std::vector<Kind>& kinds,
                   int32_t unknown, bool space_prefix);
  SentencePieceBpe(const SentencePieceBpe&) = delete;  // ids_ points into pieces_
  SentencePieceBpe& operator=(const SentencePieceBpe&) = delete;

  /// Ids of a well-formed UTF-8 text. O(n log n).
  void encode(std::string_view text, std::vector<int64_t>& ids) const override;

  /// The bytes that a piece stands for.
  static std::string bytes_of(std::string_view piece, Kind kind);

 private:
  friend class SentencePieceRun;

  const int32_t* find(std::string_view text) const;
  void encode_part(std::string_view text, std::vector<int64_t>& ids) const;

  std::vector<std::string> pieces_;
  std::vector<float> scores_;
  std::unordered_map<std::string_view, int32_t> ids_;  ///< of pieces that a text may give
  AddedTokens user_defined_;                           ///< found in the text as it is, before merging
  std::array<int32_t, 256> byte_ids_{};                ///< -1 where there is none
  int32_t unknown_;
  bool space_prefix_;
};

}  // namespace replicate
