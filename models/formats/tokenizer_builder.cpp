#include "models/formats/tokenizer_builder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "models/formats/byte_level.h"
#include "models/formats/error.h"

namespace replicate {
namespace {

/// A text in a digest, with its length, so that no two lists of texts look the same.
std::string framed(std::string_view text) {
  return std::to_string(text.size()) + ":" + std::string(text);
}

}  // namespace

TokenizerBuilder::TokenizerBuilder(std::string where, std::string_view words)
    : tokenizer_(Regex(with_white_space(words), Regex::Text::utf8)) {
  tokenizer_.where_ = std::move(where);
  tokenizer_.byte_ids_.fill(-1);
  fingerprint_.add(framed(with_white_space(words)));
}

void TokenizerBuilder::fail(const std::string& what) const {
  throw Error(what, tokenizer_.where_, "the file is damaged, fetch it again");
}

void TokenizerBuilder::set_tokens(std::vector<std::string> texts) {
  texts_ = std::move(texts);
  if (texts_.empty() || texts_.size() > std::numeric_limits<int32_t>::max()) {
    fail("a vocabulary of " + std::to_string(texts_.size()) + " tokens");
  }
  for (const std::string& text : texts_) {
    const auto id = static_cast<int32_t>(tokenizer_.tokens_.size());
    if (!ids_.emplace(text, id).second) fail("token " + in_quotes(text) + " is there twice");
    const auto bytes = spelled_bytes(text);
    tokenizer_.tokens_.push_back(bytes.value_or(text));
    if (bytes && bytes->size() == 1) {
      tokenizer_.byte_ids_[static_cast<unsigned char>(bytes->front())] = id;
    }
    fingerprint_.add(framed(text));
  }
  tokenizer_.special_.assign(texts_.size(), false);
}

void TokenizerBuilder::set_pieces(std::vector<std::string> pieces, std::vector<float> scores,
                                  const std::vector<SentencePieceBpe::Kind>& kinds,
                                  std::optional<int64_t> unknown, bool space_prefix) {
  using Kind = SentencePieceBpe::Kind;
  if (pieces.empty() || pieces.size() > std::numeric_limits<int32_t>::max()) {
    fail("a vocabulary of " + std::to_string(pieces.size()) + " tokens");
  }
  if (scores.size() != pieces.size() || kinds.size() != pieces.size()) {
    fail(std::to_string(scores.size()) + " scores and " + std::to_string(kinds.size()) + " kinds for " +
         std::to_string(pieces.size()) + " tokens");
  }
  for (size_t id = 0; id < pieces.size(); ++id) {
    tokenizer_.tokens_.push_back(SentencePieceBpe::bytes_of(pieces[id], kinds[id]));
    if (kinds[id] == Kind::byte && tokenizer_.tokens_.back().size() == 1) {
      tokenizer_.byte_ids_[static_cast<unsigned char>(tokenizer_.tokens_.back().front())] = static_cast<int32_t>(id);
    }
    fingerprint_.add(framed(pieces[id]) + std::to_string(scores[id]) + " " + std::to_string(static_cast<int>(kinds[id])));
  }
  if (!unknown && !has_all_bytes()) fail("no unknown token, and not every byte is one");
  tokenizer_.special_.assign(pieces.size(), false);
  fingerprint_.add(space_prefix ? "space prefix" : "no prefix");
  tokenizer_.sentencepiece_ = std::make_shared<const SentencePieceBpe>(
      std::move(pieces), std::move(scores), kinds, static_cast<int32_t>(unknown.value_or(0)), space_prefix);
}

void TokenizerBuilder::set_special(size_t id) {
  tokenizer_.special_.at(id) = true;
  fingerprint_.add("special " + std::to_string(id));
}

std::optional<int32_t> TokenizerBuilder::find(std::string_view text) const {
  const auto found = ids_.find(text);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

int32_t TokenizerBuilder::id_of(std::string_view text, std::string_view merge) const {
  if (const auto id = find(text)) return *id;
  fail("merge " + in_quotes(merge) + " gives or takes an unknown token");
}

void TokenizerBuilder::add_merge(std::string_view left, std::string_view right,
                                 std::string_view spelled) {
  const int32_t result = id_of(std::string(left) + std::string(right), spelled);
  tokenizer_.merges_.add(id_of(left, spelled), id_of(right, spelled), result);
  fingerprint_.add(framed(left)).add(framed(right));
}

void TokenizerBuilder::use_whole_words() {
  for (size_t id = 0; id < texts_.size(); ++id) {
    const auto bytes = spelled_bytes(texts_[id]);
    if (!bytes || tokenizer_.special_[id]) continue;
    tokenizer_.whole_words_.emplace(*bytes, static_cast<int32_t>(id));
  }
  fingerprint_.add("whole words");
}

void TokenizerBuilder::set_bos(std::optional<int64_t> id, bool is_added) {
  tokenizer_.bos_ = id;
  tokenizer_.adds_bos_ = is_added;
}

void TokenizerBuilder::set_eos(std::optional<int64_t> id) { tokenizer_.eos_ = id; }

bool TokenizerBuilder::has_all_bytes() const {
  const auto& ids = tokenizer_.byte_ids_;
  return std::find(ids.begin(), ids.end(), -1) == ids.end();
}

Tokenizer TokenizerBuilder::finish() {
  tokenizer_.fingerprint_ = fingerprint_.digest();
  return std::move(tokenizer_);
}

}  // namespace replicate
