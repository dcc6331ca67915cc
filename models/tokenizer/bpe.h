#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/tokenizer/merges.h"
#include "models/tokenizer/token_model.h"

namespace replicate {

/// Byte-pair encoding by ranked merges: within a word the pair of neighbours with the lowest rank is merged until none
/// is left. Source: Sennrich et al. 2016; on bytes, Radford et al. 2019.
class Bpe : public TokenModel {
 public:
  /// Merging begins with bytes, or with characters: one that is no token becomes its bytes where all of them are.
  enum class Begin { bytes, characters };

  explicit Bpe(Begin begin) : begin_(begin) { byte_ids_.fill(-1); }

  void set_byte(unsigned char byte, int32_t id) { byte_ids_[byte] = id; }
  void set_character(std::string_view character, int32_t id) { characters_.emplace(character, id); }
  void set_whole_word(std::string_view word, int32_t id) { whole_words_.emplace(word, id); }  ///< never split
  /// What has no token becomes this one, a run of them one where `fused`; without, it is left out.
  void set_unknown(int32_t id, bool fused) { unknown_ = id, fuses_unknown_ = fused; }
  void add_merge(int32_t left, int32_t right, int32_t result) { merges_.add(left, right, result); }

  bool has_all_bytes() const;
  void encode(std::string_view word, std::vector<int64_t>& ids) const override;

 private:
  void begin_with_character(std::string_view character, std::vector<int32_t>& ids) const;

  Begin begin_;
  std::array<int32_t, 256> byte_ids_{};  ///< -1 where there is no token
  std::unordered_map<std::string, int32_t> characters_, whole_words_;
  std::optional<int32_t> unknown_;
  bool fuses_unknown_ = false;
  MergeTable merges_;
};

}  // namespace replicate
