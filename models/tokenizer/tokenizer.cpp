#include "models/tokenizer/tokenizer.h"

#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "models/formats/gguf.h"
#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/tokenizer_builder.h"

namespace replicate {
namespace {

constexpr size_t kLongestKept = 64;  // longer words seldom come again

/// Looks texts up without copies.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

/// How a text is split into words before merging.
struct PreTokenizer {
  std::vector<std::string_view> names;  ///< in tokenizer.ggml.pre
  std::string_view pattern;             ///< see with_white_space
  bool whole_words = false;             ///< a word that is a token is not split, whatever the merges
  bool composed = false;                ///< characters are composed first (NFC)
  bool adds_bos = false;                ///< unless the file says otherwise, as llama.cpp has it
};

constexpr std::string_view kLlama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|[\s]*[\r\n]+|[\s]+(?![^\s])|[\s]+)";

const PreTokenizer kPreTokenizers[] = {
    {.names = {"gpt-2", "gpt2"}, .pattern = kGpt2Words},
    // Every digit by itself, and GPT-2's pattern between digits, where a digit is an end of text.
    {.names = {"smollm"},
     .pattern = R"(\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|[\s]+(?![^\s\p{N}])|[\s]+)"},
    {.names = {"llama-bpe", "llama3", "llama-v3"}, .pattern = kLlama3Words, .whole_words = true, .adds_bos = true},
    // Others with Llama 3's pattern, SmolLM 3 among them: llama.cpp merges their words like any.
    {.names = {"smaug-bpe", "dbrx"}, .pattern = kLlama3Words},
    // Llama 3's pattern with every digit by itself, on composed characters.
    {.names = {"qwen2", "deepseek-r1-qwen"},
     .pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                R"(|[\s]*[\r\n]+|[\s]+(?![^\s])|[\s]+)",
     .composed = true},
};

const PreTokenizer& pre_tokenizer(const GgufFile& file) {
  const std::string name = file.require_text("tokenizer.ggml.pre");
  std::string known;
  for (const PreTokenizer& candidate : kPreTokenizers) {
    for (const std::string_view spelling : candidate.names) {
      if (name == spelling) return candidate;
    }
    known += (known.empty() ? "" : ", ") + std::string(candidate.names.front());
  }
  throw Error("pre-tokenizer " + in_quotes(name) + " is not known", file.where(), "use a model with one of " + known);
}

TextSteps steps_of(const PreTokenizer& pre) {
  auto steps = words_of(pre.pattern);
  if (pre.composed) {
    steps.normalizers.push_back(canonical_composition());
    steps.description += " NFC";
  }
  return steps;
}

/// GGUF's numbers for kinds of tokens.
enum TokenType : int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

/// Empty where the file does not say.
std::vector<int64_t> types_of(const GgufFile& file, size_t tokens, const TokenizerBuilder& builder) {
  auto types = file.integers("tokenizer.ggml.token_type");
  if (!types) return {};
  if (types->size() == tokens) return std::move(*types);
  builder.fail(std::to_string(types->size()) + " token types for " + std::to_string(tokens) + " tokens");
}

void set_special(const std::vector<int64_t>& types, TokenizerBuilder& builder) {
  for (size_t id = 0; id < types.size(); ++id) {
    if (types[id] == kUnknown || types[id] == kControl || types[id] == kUnused) builder.set_special(id);
  }
}

void read_merges(const GgufFile& file, TokenizerBuilder& builder) {
  for (const std::string& merge : file.require_texts("tokenizer.ggml.merges")) {
    const std::string_view text = merge;
    const size_t space = text.find(' ');
    if (space == std::string_view::npos) builder.fail("merge " + in_quotes(merge) + " is not a pair");
    builder.add_merge(text.substr(0, space), text.substr(space + 1), merge);
  }
}

std::optional<int64_t> read_id(const GgufFile& file, std::string_view key, size_t tokens,
                               const TokenizerBuilder& builder) {
  const auto id = file.integer(key);
  if (id && !std::cmp_less(*id, tokens)) {
    builder.fail("metadata " + in_quotes(key) + " is " + std::to_string(*id) + " in a vocabulary of " +
                 std::to_string(tokens));
  }
  if (id && *id < 0) return std::nullopt;  // how some converters write that there is none
  return id;
}

SentencePieceBpe::Kind kind_of(int64_t type) {
  using Kind = SentencePieceBpe::Kind;
  if (type == kNormal) return Kind::normal;
  if (type == kUserDefined) return Kind::user_defined;
  return type == kByte ? Kind::byte : Kind::other;
}

void read_ends(const GgufFile& file, size_t tokens, bool adds_bos, TokenizerBuilder& builder) {
  builder.set_bos(read_id(file, "tokenizer.ggml.bos_token_id", tokens, builder),
                  file.boolean("tokenizer.ggml.add_bos_token").value_or(adds_bos));
  builder.set_eos(read_id(file, "tokenizer.ggml.eos_token_id", tokens, builder));
}

/// What llama.cpp calls "llama": scores decide, and there is no pre-tokenizer.
Tokenizer sentencepiece_from(const GgufFile& file) {
  TokenizerBuilder builder(file.where(), {});
  auto pieces = file.require_texts("tokenizer.ggml.tokens");
  const size_t tokens = pieces.size();
  const auto scores = file.require_reals("tokenizer.ggml.scores");
  std::vector<SentencePieceBpe::Kind> kinds;
  for (const auto type : file.require_integers("tokenizer.ggml.token_type")) kinds.push_back(kind_of(type));
  const auto unknown = read_id(file, "tokenizer.ggml.unknown_token_id", tokens, builder);
  builder.set_pieces(std::move(pieces), {scores.begin(), scores.end()}, kinds, unknown,
                     file.boolean("tokenizer.ggml.add_space_prefix").value_or(true));
  set_special(types_of(file, tokens, builder), builder);
  read_ends(file, tokens, true, builder);
  return builder.finish();
}

}  // namespace

Tokenizer Tokenizer::from_gguf(const GgufFile& file) {
  const std::string model = file.require_text("tokenizer.ggml.model");
  if (model == "llama") return sentencepiece_from(file);
  if (model != "gpt2") {
    throw Error("tokenizer " + in_quotes(model) + " is neither byte-level BPE nor SentencePiece's", file.where(),
                "use a model whose tokenizer is");
  }
  const PreTokenizer& pre = pre_tokenizer(file);
  TokenizerBuilder builder(file.where(), steps_of(pre));
  auto texts = file.require_texts("tokenizer.ggml.tokens");
  const size_t tokens = texts.size();
  const auto types = types_of(file, tokens, builder);
  builder.set_tokens(texts);
  set_special(types, builder);
  for (size_t id = 0; id < types.size(); ++id) {
    if (types[id] == kUserDefined) builder.add_token({.text = texts[id], .id = static_cast<int32_t>(id)}, false);
  }
  read_merges(file, builder);
  if (pre.whole_words) builder.use_whole_words();
  read_ends(file, tokens, pre.adds_bos, builder);
  return builder.finish();
}

std::vector<int64_t> Tokenizer::encode(std::string_view text) const {
  const std::string valid = replace_invalid_utf8(text);
  std::vector<int64_t> ids;
  // Words come again: the second time, their ids are copied from where they were first put.
  std::unordered_map<std::string, std::pair<size_t, size_t>, TextHash, std::equal_to<>> seen;
  const auto put_word = [&](std::string_view word) {
    if (const auto known = seen.find(word); known != seen.end()) {
      const auto [first, count] = known->second;
      for (size_t i = 0; i < count; ++i) ids.push_back(ids[first + i]);
      return;
    }
    const size_t first = ids.size();
    model_->encode(word, ids);
    if (word.size() <= kLongestKept) seen.emplace(word, std::pair{first, ids.size() - first});
  };
  const auto put_id = [&](int32_t id) { ids.push_back(id); };
  raw_.split(
      valid,
      [&](std::string_view part) {
        each_word({part, part.data() == valid.data()}, put_word, put_id);
      },
      put_id);
  return ids;
}

std::vector<int64_t> Tokenizer::encode_with_special(std::string_view text) const {
  AddedTokens special;
  for (size_t id = 0; id < tokens_.size(); ++id) {
    if (special_[id]) special.add({.text = replace_invalid_utf8(tokens_[id]), .id = static_cast<int32_t>(id)});
  }
  std::vector<int64_t> ids;
  const auto encode_part = [&](std::string_view part) {
    const auto own = encode(part);
    ids.insert(ids.end(), own.begin(), own.end());
  };
  special.split(replace_invalid_utf8(text), encode_part, [&](int32_t id) { ids.push_back(id); });
  return ids;
}

void Tokenizer::each_word(const Piece& piece, const UseWord& use_word,
                          const std::function<void(int32_t)>& use_id) const {
  std::string changed;
  std::string_view text = piece.text;
  if (!steps_.normalizers.empty()) text = changed = normalized(steps_.normalizers, text);
  const auto use_part = [&](std::string_view part) {
    split_by(steps_.splitters, {part, piece.is_start && part.data() == text.data()},
             [&](const Piece& word) { use_word(word.text); });
  };
  normalized_.split(text, use_part, use_id);
}

std::string Tokenizer::decode(std::span<const int64_t> ids) const {
  std::string bytes;
  for (const int64_t id : ids) {
    if (!std::cmp_less(id, tokens_.size()) || id < 0) {
      throw Error("token id " + std::to_string(id) + " is not in the vocabulary of " + std::to_string(tokens_.size()),
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
