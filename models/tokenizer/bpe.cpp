#include "models/tokenizer/bpe.h"

#include <algorithm>

#include "base/utf8.h"

namespace replicate {

bool Bpe::has_all_bytes() const { return std::find(byte_ids_.begin(), byte_ids_.end(), -1) == byte_ids_.end(); }

void Bpe::begin_with_character(std::string_view character, std::vector<int32_t>& ids) const {
  if (const auto found = characters_.find(std::string(character)); found != characters_.end()) {
    return ids.push_back(found->second);
  }
  const auto id_of = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (std::all_of(character.begin(), character.end(), [&](char byte) { return id_of(byte) >= 0; })) {
    for (const char byte : character) ids.push_back(id_of(byte));
    return;
  }
  if (!unknown_ || (fuses_unknown_ && !ids.empty() && ids.back() == *unknown_)) return;
  ids.push_back(*unknown_);
}

void Bpe::encode(std::string_view word, std::vector<int64_t>& ids) const {
  if (!whole_words_.empty()) {
    if (const auto found = whole_words_.find(std::string(word)); found != whole_words_.end()) {
      return ids.push_back(found->second);
    }
  }
  std::vector<int32_t> pieces;
  if (begin_ == Begin::characters) {
    each_character(word, [&](std::string_view character) { begin_with_character(character, pieces); });
  } else {
    for (const char byte : word) {
      const int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
      if (id >= 0) pieces.push_back(id);
    }
  }
  merges_.apply(pieces);
  ids.insert(ids.end(), pieces.begin(), pieces.end());
}

}  // namespace replicate
