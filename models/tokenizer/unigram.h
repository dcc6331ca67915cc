#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/token_model.h"

namespace replicate {

/// The most probable split of a word into pieces, each with its log probability; a run of characters that no piece
/// covers becomes its bytes, or the unknown token. Source: Kudo 2018 (subword regularization), section 3.2.
class Unigram : public TokenModel {
 public:
  /// Pieces by id, as the file spells them, with as many scores. `unknown`: an id, or nothing where every character has
  /// a token. `byte_ids`: -1 where there is none; all -1 without byte fallback.
  Unigram(std::vector<std::string> pieces, std::vector<double> scores, std::optional<int32_t> unknown,
          const std::array<int32_t, 256>& byte_ids);

  /// O(n * longest piece * log pieces).
  void encode(std::string_view word, std::vector<int64_t>& ids) const override;

 private:
  struct Step;

  /// Calls `use` with each piece that a text begins with: its size and id.
  template <typename Use>
  void each_beginning(std::string_view text, const Use& use) const;
  std::vector<Step> best_steps(std::string_view word) const;
  void put_unknown(std::string_view text, std::vector<int64_t>& ids) const;

  std::vector<std::string> pieces_;
  std::vector<double> scores_;
  std::vector<int32_t> in_order_;  ///< ids, by their pieces
  std::array<int32_t, 256> byte_ids_;
  std::optional<int32_t> unknown_;
  double unknown_score_ = 0;
};

}  // namespace replicate
