#include "models/tokenizer/tokenizer_builder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/unigram.h"

namespace replicate {
namespace {

using Kind = SentencePieceBpe::Kind;

/// A text in a digest, with its length, so that no two lists of texts look the same.
std::string framed(std::string_view text) { return std::to_string(text.size()) + ":" + std::string(text); }

/// The byte that a token spells as <0x0A>, or nothing.
std::optional<unsigned char> spelled_byte(std::string_view text) {
  const auto bytes = SentencePieceBpe::bytes_of(text, Kind::byte);
  if (bytes.size() != 1 || bytes == text) return std::nullopt;
  return static_cast<unsigned char>(bytes.front());
}

bool is_one_character(std::string_view text) { return !text.empty() && character_bytes(text.front()) == text.size(); }

}  // namespace

TokenizerBuilder::TokenizerBuilder(std::string where, TextSteps steps) {
  tokenizer_.where_ = std::move(where);
  fingerprint_.add(framed(steps.description));
  tokenizer_.steps_ = std::move(steps);
}

void TokenizerBuilder::fail(const std::string& what) const {
  throw Error(what, tokenizer_.where_, "the file is damaged, fetch it again");
}

void TokenizerBuilder::check_size(size_t tokens) const {
  if (tokens == 0 || tokens > std::numeric_limits<int32_t>::max()) {
    fail("a vocabulary of " + std::to_string(tokens) + " tokens");
  }
}

/// The tokens of JSON are well-formed, those of GGUF any bytes.
void TokenizerBuilder::check_added(std::string_view text) const {
  if (replace_invalid_utf8(text) != text) fail("token " + in_quotes(text) + " is no UTF-8");
}

void TokenizerBuilder::keep_texts(std::vector<std::string> texts) {
  check_size(texts.size());
  texts_ = std::move(texts);
  for (size_t id = 0; id < texts_.size(); ++id) {
    if (!ids_.emplace(texts_[id], static_cast<int32_t>(id)).second) {
      fail("token " + in_quotes(texts_[id]) + " is there twice");
    }
    fingerprint_.add(framed(texts_[id]));
  }
  tokenizer_.special_.assign(texts_.size(), false);
}

void TokenizerBuilder::set_tokens(std::vector<std::string> texts, Bpe::Begin begin) {
  keep_texts(std::move(texts));
  begin_ = begin;
  bpe_ = std::make_shared<Bpe>(begin);
  tokenizer_.model_ = bpe_;
  for (size_t i = 0; i < texts_.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    if (begin == Bpe::Begin::characters) {
      tokenizer_.tokens_.push_back(SentencePieceBpe::bytes_of(texts_[i], Kind::normal));
      if (is_one_character(texts_[i])) bpe_->set_character(texts_[i], id);
      continue;
    }
    const auto bytes = spelled_bytes(texts_[i]);
    tokenizer_.tokens_.push_back(bytes.value_or(texts_[i]));
    if (bytes && bytes->size() == 1) bpe_->set_byte(static_cast<unsigned char>(bytes->front()), id);
  }
}

void TokenizerBuilder::use_byte_fallback() {
  for (size_t id = 0; id < texts_.size(); ++id) {
    const auto byte = spelled_byte(texts_[id]);
    if (!byte) continue;
    bpe_->set_byte(*byte, static_cast<int32_t>(id));
    tokenizer_.tokens_[id] = std::string(1, static_cast<char>(*byte));
  }
  fingerprint_.add("byte fallback");
}

void TokenizerBuilder::set_unigram(std::vector<std::string> pieces, std::vector<double> scores,
                                   std::optional<int32_t> unknown, bool byte_fallback) {
  keep_texts(std::move(pieces));
  std::array<int32_t, 256> bytes;
  bytes.fill(-1);
  for (size_t id = 0; id < texts_.size(); ++id) {
    tokenizer_.tokens_.push_back(SentencePieceBpe::bytes_of(texts_[id], byte_fallback ? Kind::byte : Kind::normal));
    if (id >= scores.size()) continue;  // an added token, which no split of a word gives
    const auto byte = spelled_byte(texts_[id]);
    if (byte && byte_fallback) bytes[*byte] = static_cast<int32_t>(id);
    fingerprint_.add("score " + std::to_string(scores[id]));
  }
  const auto pieces_end = texts_.begin() + static_cast<std::ptrdiff_t>(scores.size());
  tokenizer_.model_ =
      std::make_shared<const Unigram>(std::vector(texts_.begin(), pieces_end), std::move(scores), unknown, bytes);
}

void TokenizerBuilder::set_pieces(std::vector<std::string> pieces, std::vector<float> scores,
                                  const std::vector<Kind>& kinds, std::optional<int64_t> unknown, bool space_prefix) {
  if (scores.size() != pieces.size() || kinds.size() != pieces.size()) {
    fail(std::to_string(scores.size()) + " scores and " + std::to_string(kinds.size()) + " kinds for " +
         std::to_string(pieces.size()) + " tokens");
  }
  check_size(pieces.size());
  std::vector<std::string> bytes;
  std::array<bool, 256> has{};
  for (size_t id = 0; id < pieces.size(); ++id) {
    bytes.push_back(SentencePieceBpe::bytes_of(pieces[id], kinds[id]));
    if (kinds[id] == Kind::user_defined) check_added(pieces[id]);
    if (kinds[id] == Kind::byte && bytes.back().size() == 1)
      has[static_cast<unsigned char>(bytes.back().front())] = true;
    fingerprint_.add(framed(pieces[id]) + std::to_string(scores[id]) + " " +
                     std::to_string(static_cast<int>(kinds[id])));
  }
  if (!unknown && std::find(has.begin(), has.end(), false) != has.end())
    fail("no unknown token, and not every byte is one");
  set_model(std::make_shared<const SentencePieceBpe>(std::move(pieces), std::move(scores), kinds,
                                                     static_cast<int32_t>(unknown.value_or(0)), space_prefix),
            std::move(bytes), space_prefix ? "space prefix of every part" : "no prefix");
}

void TokenizerBuilder::set_model(std::shared_ptr<const TokenModel> model, std::vector<std::string> bytes,
                                 std::string_view description) {
  check_size(bytes.size());
  tokenizer_.special_.assign(bytes.size(), false);
  tokenizer_.tokens_ = std::move(bytes);
  tokenizer_.model_ = std::move(model);
  fingerprint_.add(description);
}

void TokenizerBuilder::set_special(size_t id) {
  tokenizer_.special_.at(id) = true;
  fingerprint_.add("special " + std::to_string(id));
}

void TokenizerBuilder::add_token(AddedToken token, bool normalized) {
  check_added(token.text);
  tokenizer_.tokens_.at(static_cast<size_t>(token.id)) = token.text;
  if (!token.special) fingerprint_.add("added " + framed(token.text) + std::to_string(token.id));
  auto& found = normalized ? tokenizer_.normalized_ : tokenizer_.raw_;
  if (normalized) token.text = replicate::normalized(tokenizer_.steps_.normalizers, token.text);
  found.add(std::move(token));
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

void TokenizerBuilder::add_merge(std::string_view left, std::string_view right, std::string_view spelled) {
  const int32_t result = id_of(std::string(left) + std::string(right), spelled);
  bpe_->add_merge(id_of(left, spelled), id_of(right, spelled), result);
  fingerprint_.add(framed(left)).add(framed(right));
}

void TokenizerBuilder::use_whole_words() {
  for (size_t id = 0; id < texts_.size(); ++id) {
    const auto bytes = begin_ == Bpe::Begin::bytes ? spelled_bytes(texts_[id]) : texts_[id];
    if (!bytes || tokenizer_.special_[id]) continue;
    bpe_->set_whole_word(*bytes, static_cast<int32_t>(id));
  }
  fingerprint_.add("whole words");
}

void TokenizerBuilder::set_unknown(int32_t id, bool fused) {
  bpe_->set_unknown(id, fused);
  fingerprint_.add("unknown " + std::to_string(id) + (fused ? " fused" : ""));
}

void TokenizerBuilder::set_bos(std::optional<int64_t> id, bool is_added) {
  tokenizer_.bos_ = id;
  tokenizer_.adds_bos_ = is_added;
}

void TokenizerBuilder::set_eos(std::optional<int64_t> id) { tokenizer_.eos_ = id; }

bool TokenizerBuilder::has_all_bytes() const { return bpe_ && bpe_->has_all_bytes(); }

Tokenizer TokenizerBuilder::finish() {
  tokenizer_.fingerprint_ = fingerprint_.digest();
  return std::move(tokenizer_);
}

}  // namespace replicate
