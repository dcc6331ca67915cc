#include "models/formats/tokenizer.h"

#include <limits>
#include <utility>

#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/utf8.h"

namespace replicate {
namespace {

constexpr const char* kDamaged = "the file is damaged, fetch it again";

/// How a text is split into words before merging.
struct PreTokenizer {
  std::vector<std::string_view> names;  ///< in tokenizer.ggml.pre
  std::string_view pattern;             ///< \s only in brackets, see with_white_space
  bool whole_words;  ///< a word that is a token is not split, whatever the merges
};

const PreTokenizer kPreTokenizers[] = {
    // The pattern of GPT-2.
    {{"gpt-2", "gpt2"},
     R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|[\s]+(?![^\s])|[\s]+)",
     false},
    // Every digit by itself, and GPT-2's pattern between digits, where a digit is an end of text.
    {{"smollm"},
     R"(\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|[\s]+(?![^\s\p{N}])|[\s]+)",
     false},
    // The pattern of Llama 3.
    {{"llama-bpe", "llama3", "llama-v3"},
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
     R"(|[\s]*[\r\n]+|[\s]+(?![^\s])|[\s]+)",
     true},
};

/// Spells \s out as Unicode's White_Space. PCRE2's own has U+180E, too, none since Unicode 6.3.
std::string with_white_space(std::string_view pattern) {
  std::string result(pattern);
  for (size_t at = 0; (at = result.find("\\s", at)) != std::string::npos;) {
    result.replace(at, 2, R"(\p{Z}\t-\r\x{85})");
  }
  return result;
}

const PreTokenizer& pre_tokenizer(const GgufFile& file) {
  const std::string name = file.require_text("tokenizer.ggml.pre");
  std::string known;
  for (const PreTokenizer& candidate : kPreTokenizers) {
    for (const std::string_view spelling : candidate.names) {
      if (name == spelling) return candidate;
    }
    known += (known.empty() ? "" : ", ") + std::string(candidate.names.front());
  }
  throw Error("pre-tokenizer " + in_quotes(name) + " is not known", file.where(),
              "use a model with one of " + known);
}

/// GPT-2 spells bytes as characters: printable ones as themselves, the others from U+0100 on.
/// [code point] -> byte, or -1.
constexpr std::array<int, 0x144> byte_alphabet() {
  std::array<int, 0x144> bytes{};
  bytes.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
    bytes[static_cast<size_t>(printable ? byte : next++)] = byte;
  }
  return bytes;
}

/// The bytes a token spells in that alphabet; nothing for a token with any other character in it,
/// which no merge can give.
std::optional<std::string> spelled_bytes(std::string_view token) {
  static constexpr auto kAlphabet = byte_alphabet();
  std::string bytes;
  for (size_t i = 0; i < token.size(); ++i) {
    size_t point = static_cast<unsigned char>(token[i]);
    if ((point & 0xe0) == 0xc0 && i + 1 < token.size()) {  // the alphabet ends within two bytes
      point = (point & 0x1f) << 6 | (static_cast<unsigned char>(token[++i]) & 0x3f);
    }
    if (point >= kAlphabet.size() || kAlphabet[point] < 0) return std::nullopt;
    bytes += static_cast<char>(kAlphabet[point]);
  }
  return bytes;
}

}  // namespace

/// Fills a Tokenizer from a file's metadata.
class TokenizerReader {
 public:
  TokenizerReader(const GgufFile& file, Tokenizer& tokenizer)
      : file_(file), tokenizer_(tokenizer), texts_(file.require_texts("tokenizer.ggml.tokens")) {}

  void read(bool whole_words) {
    tokenizer_.where_ = file_.where();
    read_tokens();
    read_types();
    read_merges();
    if (whole_words) collect_whole_words();
    tokenizer_.bos_ = read_id("tokenizer.ggml.bos_token_id");
    tokenizer_.eos_ = read_id("tokenizer.ggml.eos_token_id");
    tokenizer_.adds_bos_ = file_.boolean("tokenizer.ggml.add_bos_token").value_or(false);
  }

 private:
  /// GGUF's numbers for kinds of tokens.
  enum TokenType : int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(what, file_.where(), kDamaged);
  }

  void read_tokens() {
    if (texts_.empty() || texts_.size() > std::numeric_limits<int32_t>::max()) {
      fail("a vocabulary of " + std::to_string(texts_.size()) + " tokens");
    }
    tokenizer_.byte_ids_.fill(-1);
    for (const std::string& text : texts_) {
      const auto id = static_cast<int32_t>(tokenizer_.tokens_.size());
      if (!ids_.emplace(text, id).second) fail("token " + in_quotes(text) + " is there twice");
      const auto bytes = spelled_bytes(text);
      tokenizer_.tokens_.push_back(bytes.value_or(text));
      if (bytes && bytes->size() == 1) {
        tokenizer_.byte_ids_[static_cast<unsigned char>(bytes->front())] = id;
      }
    }
  }

  void read_types() {
    tokenizer_.special_.assign(texts_.size(), false);
    const auto types = file_.integers("tokenizer.ggml.token_type");
    if (!types) return;
    if (types->size() != texts_.size()) {
      fail(std::to_string(types->size()) + " token types for " + std::to_string(texts_.size()) +
           " tokens");
    }
    for (size_t id = 0; id < types->size(); ++id) {
      const int64_t type = (*types)[id];
      tokenizer_.special_[id] = type == kUnknown || type == kControl || type == kUnused;
    }
  }

  int32_t id_of(std::string_view text, const std::string& merge) const {
    const auto found = ids_.find(text);
    if (found == ids_.end()) fail("merge " + in_quotes(merge) + " gives or takes an unknown token");
    return found->second;
  }

  void read_merges() {
    for (const std::string& merge : file_.require_texts("tokenizer.ggml.merges")) {
      const std::string_view text = merge;
      const size_t space = text.find(' ');
      if (space == std::string_view::npos) fail("merge " + in_quotes(merge) + " is no pair");
      const auto left = text.substr(0, space);
      const auto right = text.substr(space + 1);
      const int32_t result = id_of(std::string(left) + std::string(right), merge);
      tokenizer_.merges_.add(id_of(left, merge), id_of(right, merge), result);
    }
  }

  void collect_whole_words() {
    for (size_t id = 0; id < texts_.size(); ++id) {
      const auto bytes = spelled_bytes(texts_[id]);
      if (!bytes || tokenizer_.special_[id]) continue;
      tokenizer_.whole_words_.emplace(*bytes, static_cast<int32_t>(id));
    }
  }

  std::optional<int64_t> read_id(std::string_view key) const {
    const auto id = file_.integer(key);
    if (id && !std::cmp_less(*id, texts_.size())) {
      fail("metadata " + in_quotes(key) + " is " + std::to_string(*id) + " in a vocabulary of " +
           std::to_string(texts_.size()));
    }
    if (id && *id < 0) return std::nullopt;  // how some converters write that there is none
    return id;
  }

  const GgufFile& file_;
  Tokenizer& tokenizer_;
  const std::vector<std::string> texts_;               ///< tokens by id, as the file spells them
  std::unordered_map<std::string_view, int32_t> ids_;  ///< the way back
};

Tokenizer Tokenizer::from_gguf(const GgufFile& file) {
  const std::string model = file.require_text("tokenizer.ggml.model");
  if (model != "gpt2") {
    throw Error("tokenizer " + in_quotes(model) + " is not byte-level BPE", file.where(),
                "use a model whose tokenizer is");
  }
  const PreTokenizer& pre = pre_tokenizer(file);
  Tokenizer tokenizer(Regex(with_white_space(pre.pattern), Regex::Text::utf8));
  TokenizerReader(file, tokenizer).read(pre.whole_words);
  return tokenizer;
}

std::vector<int64_t> Tokenizer::encode(std::string_view text) const {
  const std::string valid = replace_invalid_utf8(text);
  std::vector<int64_t> ids;
  // Words come again: the second time, their ids are copied from where they were first put.
  std::unordered_map<std::string_view, std::pair<size_t, size_t>> seen;
  words_.each_match(valid, [&](size_t begin, size_t end) {
    const auto word = std::string_view(valid).substr(begin, end - begin);
    const auto [entry, is_new] = seen.try_emplace(word, ids.size(), 0);
    auto& [first, count] = entry->second;
    if (is_new) {
      encode_word(word, ids);
      count = ids.size() - first;
    } else {
      for (size_t i = 0; i < count; ++i) ids.push_back(ids[first + i]);
    }
  });
  return ids;
}

void Tokenizer::encode_word(std::string_view word, std::vector<int64_t>& ids) const {
  if (!whole_words_.empty()) {
    const auto found = whole_words_.find(std::string(word));
    if (found != whole_words_.end()) return ids.push_back(found->second);
  }
  std::vector<int32_t> pieces;
  for (const char byte : word) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
    if (id >= 0) pieces.push_back(id);
  }
  merges_.apply(pieces);
  ids.insert(ids.end(), pieces.begin(), pieces.end());
}

std::string Tokenizer::decode(std::span<const int64_t> ids) const {
  std::string bytes;
  for (const int64_t id : ids) {
    if (!std::cmp_less(id, tokens_.size()) || id < 0) {
      throw Error("token id " + std::to_string(id) + " is not in the vocabulary of " +
                      std::to_string(tokens_.size()),
                  where_, "give ids from 0 on");
    }
    bytes += tokens_[static_cast<size_t>(id)];
  }
  return bytes;
}

bool Tokenizer::is_special(int64_t id) const {
  return id >= 0 && std::cmp_less(id, special_.size()) && special_[static_cast<size_t>(id)];
}

}  // namespace replicate
