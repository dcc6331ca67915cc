#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/json_section.h"
#include "base/mapped_file.h"
#include "base/python_json.h"
#include "base/text_file.h"
#include "models/tokenizer/text_steps_json.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_builder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kEndOfText = "<|endoftext|>";
constexpr uintmax_t kLargestConfig = 16 << 20;

/// What stands before and after a text, as the vocabulary spells it.
struct Ends {
  std::optional<std::string> bos, eos;
  std::optional<bool> adds_bos;   ///< of tokenizer.model; tokenizer.json says it itself
  std::optional<int64_t> bos_id;  ///< where a configuration gives the number alone
};

/// How a file is to be read.
struct Reading {
  std::optional<int64_t> vocabulary;  ///< see from_json
  bool is_of_model = false;           ///< which has so many rows: they may be more than the file's tokens, not fewer
  std::optional<Ends> ends;           ///< or kEndOfText
};

// Tokens and merges.

struct JsonToken {
  AddedToken token;
  bool normalized;
};

int64_t id_in(const json& value, const std::string& text, const std::string& where) {
  if (value.is_number_unsigned() && std::in_range<int32_t>(value.get<uint64_t>())) {
    return value.get<int64_t>();
  }
  throw Error("the id of token " + in_quotes(text) + " is not a number in range", where, kFetchAgain);
}

std::vector<JsonToken> added_tokens(const JsonSection& file) {
  std::vector<JsonToken> result;
  if (!file.find("added_tokens")) return result;
  for (const json& item : file.list("added_tokens")) {
    const JsonSection token(item, "added_tokens", file.where());
    const std::string text = token.text("content");
    const bool special = token.flag_or("special", false);
    for (const auto* key : {"single_word", "lstrip"}) {
      if (!special && token.flag_or(key, false))
        fail_other_kind(token.path(key) + " of " + in_quotes(text), file.where());
    }
    const auto id = static_cast<int32_t>(id_in(token.require("id"), text, file.where()));
    result.push_back({{.text = text, .id = id, .special = special, .strips_right = token.flag_or("rstrip", false)},
                      token.flag_or("normalized", !special)});
  }
  return result;
}

/// Tokens by id: those of the model, and the added ones after them (or among them again).
class TokensById {
 public:
  explicit TokensById(const std::string& where) : where_(where) {}

  void put(const std::string& text, int64_t id) {
    const auto [entry, is_new] = by_id_.emplace(id, text);
    if (is_new || entry->second == text) return;
    throw Error("token id " + std::to_string(id) + " is there twice", where_, kFetchAgain);
  }

  std::vector<std::string> texts() const {
    std::vector<std::string> texts;
    for (const auto& [id, text] : by_id_) {
      if (!std::cmp_equal(id, texts.size())) {
        throw Error("token id " + std::to_string(texts.size()) + " is missing among " + std::to_string(by_id_.size()),
                    where_, "fetch the file again, or use a tokenizer whose ids have no hole");
      }
      texts.push_back(text);
    }
    return texts;
  }

 private:
  const std::string& where_;
  std::map<int64_t, std::string> by_id_;
};

struct Merge {
  std::string left, right;
};

/// "a b", or since version 0.20 of the library ["a", "b"].
Merge merge_of(const json& value, const std::string& where) {
  if (value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string()) {
    return {value[0].get<std::string>(), value[1].get<std::string>()};
  }
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  const size_t space = text.find(' ');
  if (space == std::string::npos) throw Error("a merge that is not a pair", where, kFetchAgain);
  return {text.substr(0, space), text.substr(space + 1)};
}

/// Keeps the first `vocabulary` ids, where that leaves a tokenizer.
class Shortening {
 public:
  Shortening(std::vector<std::string>& texts, std::optional<int64_t> vocabulary, const std::string& where)
      : is_wanted_(vocabulary.has_value()), where_(where) {
    const auto size = static_cast<int64_t>(texts.size());
    if (!is_wanted_) return;
    if (*vocabulary < 1 || *vocabulary > size) {
      fail(std::to_string(*vocabulary) + " tokens of a vocabulary of " + std::to_string(size));
    }
    const auto first_gone = texts.begin() + static_cast<std::ptrdiff_t>(*vocabulary);
    gone_.insert(std::make_move_iterator(first_gone), std::make_move_iterator(texts.end()));
    texts.erase(first_gone, texts.end());
  }

  /// True when the merge is kept. Once one is gone, all after it must be.
  bool keeps(const Merge& merge) {
    if (!is_wanted_) return true;
    const bool is_kept = !gone_.contains(merge.left + merge.right);
    if (is_kept && has_dropped_) fail("merges that are not in the order of their ids");
    has_dropped_ = has_dropped_ || !is_kept;
    return is_kept;
  }

  bool has_dropped(const std::string& text) const { return gone_.contains(text); }

  void check(const Ends& ends, const TokenizerBuilder& builder, bool on_bytes) const {
    if (!is_wanted_) return;
    for (const auto& text : {ends.bos, ends.eos}) {
      if (text && gone_.contains(*text)) fail("token " + in_quotes(*text) + " is lost");
    }
    if (on_bytes && !builder.has_all_bytes()) fail("some single byte has no token left");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error("the vocabulary cannot be shortened, " + what, where_, "ask for another number of tokens");
  }

  bool is_wanted_;
  bool has_dropped_ = false;
  const std::string& where_;
  std::set<std::string> gone_;
};

/// What would change ids in a way that this program does not know.
void check_bpe(const JsonSection& model) {
  if (model.find("dropout") && *model.find("dropout") != 0) fail_other_kind("dropout of merges", model.where());
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text_or(key, "").empty()) fail_other_kind(model.path(key), model.where());
  }
}

/// A tokenizer.json on its way to a tokenizer.
class JsonFile {
 public:
  JsonFile(const JsonSection& file, const Reading& reading)
      : file_(file),
        model_(file.section("model")),
        reading_(reading),
        added_(added_tokens(file)),
        text_(text_steps_from(file)),
        builder_(file.where(), text_.steps) {}

  Tokenizer read() {
    const auto type = model_.text_or("type", "BPE");
    if (type == "BPE") {
      read_bpe();
    } else if (type == "Unigram") {
      read_unigram();
    } else {
      fail_other_kind("a model of kind " + in_quotes(type), file_.where());
    }
    return builder_.finish();
  }

 private:
  void read_bpe() {
    check_bpe(model_);
    const json& ids = model_.require("vocab");
    if (!ids.is_object()) model_.fail_kind("vocab", "an object");
    TokensById tokens(file_.where());
    for (const auto& [text, id] : ids.items()) tokens.put(text, id_in(id, text, file_.where()));
    auto texts = texts_with_added(tokens);
    Shortening shortening(texts, shorter(texts.size()), file_.where());
    builder_.set_tokens(std::move(texts), text_.on_bytes ? Bpe::Begin::bytes : Bpe::Begin::characters);
    shortening.check(ends(), builder_, text_.on_bytes);
    put_added([&](const std::string& text) { return shortening.has_dropped(text); });
    for (const json& item : model_.list("merges")) {
      const Merge merge = merge_of(item, file_.where());
      if (shortening.keeps(merge)) builder_.add_merge(merge.left, merge.right, merge.left + " " + merge.right);
    }
    if (model_.flag_or("ignore_merges", false)) builder_.use_whole_words();
    if (!text_.on_bytes) read_fallback();
    put_ends();
  }

  void read_fallback() {
    if (model_.flag_or("byte_fallback", false)) builder_.use_byte_fallback();
    if (!model_.find("unk_token")) return;
    const auto text = model_.text("unk_token");
    const auto id = builder_.find(text);
    if (!id) builder_.fail("the unknown token " + in_quotes(text) + " is not in the vocabulary");
    builder_.set_unknown(*id, model_.flag_or("fuse_unk", false));
  }

  void read_unigram() {
    if (text_.on_bytes) fail_other_kind("Unigram on bytes", file_.where());
    TokensById tokens(file_.where());
    std::vector<double> scores;
    for (const json& item : model_.list("vocab")) {
      if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_number()) {
        model_.fail_kind("vocab", "a list of pieces with scores");
      }
      tokens.put(item[0].get<std::string>(), static_cast<int64_t>(scores.size()));
      scores.push_back(item[1].get<double>());
    }
    if (scores.empty()) model_.fail_kind("vocab", "a list of pieces with scores");
    auto texts = texts_with_added(tokens);
    if (const auto size = shorter(texts.size())) {
      throw Error("the vocabulary cannot be shortened to " + std::to_string(*size), file_.where(),
                  "Unigram knows no order");
    }
    builder_.set_unigram(std::move(texts), std::move(scores), unknown(), model_.flag_or("byte_fallback", false));
    put_added([](const std::string&) { return false; });
    put_ends();
  }

  std::optional<int32_t> unknown() const {
    if (!model_.find("unk_id")) return std::nullopt;
    const auto id = id_in(model_.require("unk_id"), "of what is unknown", file_.where());
    if (std::cmp_greater_equal(id, model_.list("vocab").size())) model_.fail_kind("unk_id", "in the vocabulary");
    return static_cast<int32_t>(id);
  }

  std::vector<std::string> texts_with_added(TokensById& tokens) const {
    for (const auto& added : added_) tokens.put(added.token.text, added.token.id);
    return tokens.texts();
  }

  /// Nothing where no id goes.
  std::optional<int64_t> shorter(size_t size) const {
    if (!reading_.is_of_model || !reading_.vocabulary) return reading_.vocabulary;
    if (std::cmp_less_equal(size, *reading_.vocabulary)) return std::nullopt;
    // Gemma 3 has a token for images without a row in those of its models that know texts only; no text gives it.
    std::set<int64_t> special;
    for (const auto& added : added_) {
      if (added.token.special && added.token.id >= *reading_.vocabulary) special.insert(added.token.id);
    }
    if (special.size() == size - static_cast<size_t>(*reading_.vocabulary)) return reading_.vocabulary;
    throw Error(
        "tokenizer.json has " + std::to_string(size) + " tokens, the model " + std::to_string(*reading_.vocabulary),
        file_.where(), "fetch the two from the same place");
  }

  template <typename IsDropped>
  void put_added(const IsDropped& is_dropped) {
    for (const auto& [token, normalized] : added_) {
      if (is_dropped(token.text)) continue;
      if (token.special) builder_.set_special(static_cast<size_t>(token.id));
      builder_.add_token(token, normalized);
    }
  }

  Ends ends() const {
    if (reading_.ends) return *reading_.ends;
    return {.bos = kEndOfText, .eos = kEndOfText, .adds_bos = {}, .bos_id = {}};
  }

  /// What `tokenizers` puts before a text by itself; `transformers` 5 takes it from here alone, too.
  bool adds_bos() const {
    const auto begins_with_special = [](const json& step) {
      const auto single =
          step.is_object() && step.value("type", json()) == "TemplateProcessing" ? step.find("single") : step.end();
      return step.is_object() && single != step.end() && single->is_array() && !single->empty() &&
             single->front().contains("SpecialToken");
    };
    const json* post = file_.find("post_processor");
    if (!post || !post->is_object()) return false;
    if (begins_with_special(*post)) return true;
    const auto steps = post->find("processors");
    return steps != post->end() && steps->is_array() && std::any_of(steps->begin(), steps->end(), begins_with_special);
  }

  void put_ends() {
    const auto id_of = [&](const std::optional<std::string>& text) -> std::optional<int64_t> {
      return text ? builder_.find(*text) : std::nullopt;
    };
    builder_.set_bos(id_of(ends().bos), adds_bos());
    builder_.set_eos(id_of(ends().eos));
  }

  const JsonSection& file_;
  JsonSection model_;
  const Reading& reading_;
  std::vector<JsonToken> added_;
  JsonTextSteps text_;
  TokenizerBuilder builder_;
};

Tokenizer tokenizer_from(std::string_view text, const std::string& where, const Reading& reading) {
  const json parsed = parse_json(text, where);
  const JsonSection file(parsed, "the file", where);
  return JsonFile(file, reading).read();
}

Tokenizer tokenizer_from(const fs::path& path, const Reading& reading) {
  const MappedFile file = MappedFile::open(path);
  const auto bytes = file.bytes();
  return tokenizer_from({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string(), reading);
}

/// A token of tokenizer_config.json: a text, or an object with one; null where there is none.
std::optional<std::string> named_token(const JsonSection& config, const char* key) {
  const json* value = config.find(key);
  if (!value) return std::nullopt;
  return value->is_object() ? config.section(key).text("content") : config.text(key);
}

/// A file of the folder; nothing where it is not there.
std::optional<json> read_config(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return std::nullopt;
  if (size > kLargestConfig) throw Error("the file is too large", path.string(), kFetchAgain);
  const json parsed = parse_json(quote_python_numbers(read_text(path)), path.string());
  if (!parsed.is_object()) throw Error("the file is not an object", path.string(), kFetchAgain);
  return parsed;
}

/// The number of BOS in the first configuration that has one. Not asked where the tokenizer's own files say that there
/// is none: Qwen's do, and its configuration has a number all the same.
std::optional<int64_t> bos_id_in(const fs::path& folder) {
  for (const auto* name : {"generation_config.json", "config.json"}) {
    const auto config = read_config(folder / name);
    const auto id = config ? config->find("bos_token_id") : json::const_iterator();
    if (config && id != config->end() && id->is_number_integer() && *id >= 0) return id->get<int64_t>();
  }
  return std::nullopt;
}

/// The tokenizer's own files first, as `transformers` has it. Nothing where the folder does not say.
std::optional<Ends> ends_in(const fs::path& folder) {
  std::optional<Ends> ends;
  for (const auto* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const auto parsed = read_config(folder / name);
    if (!parsed) continue;
    const std::string where = (folder / name).string();
    const JsonSection config(*parsed, "the file", where);
    if (!ends) ends.emplace();
    if (!ends->adds_bos && config.find("add_bos_token")) ends->adds_bos = config.flag_or("add_bos_token", true);
    if (!ends->eos) ends->eos = named_token(config, "eos_token");
    if (parsed->contains("bos_token")) {
      ends->bos = named_token(config, "bos_token");
      return ends;
    }
  }
  if (const auto id = bos_id_in(folder)) {
    if (!ends) ends = Ends{.bos = {}, .eos = kEndOfText, .adds_bos = {}, .bos_id = {}};
    ends->bos_id = id;
  }
  return ends;
}

/// "a b" per line, after a first line that tells the version.
json merges_in(const fs::path& file) {
  json merges = json::array();
  std::istringstream lines(read_text(file));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty() && !(merges.empty() && line.starts_with("#version"))) merges.push_back(line);
  }
  return merges;
}

/// The tokens that the folder names, and those that it adds, as tokenizer.json has them.
json special_tokens_in(const fs::path& folder, const json& vocabulary) {
  std::map<std::string, int64_t> ids;
  for (const auto* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const auto parsed = read_config(folder / name);
    if (!parsed) continue;
    const std::string where = (folder / name).string();
    const JsonSection config(*parsed, "the file", where);
    for (const auto* key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
      const auto text = named_token(config, key);
      const auto known = text ? vocabulary.find(*text) : vocabulary.end();
      if (known != vocabulary.end()) ids[*text] = id_in(*known, *text, where);
    }
  }
  if (const auto known = vocabulary.find(kEndOfText); known != vocabulary.end())
    ids[kEndOfText] = id_in(*known, kEndOfText, folder.string());
  if (const auto added = read_config(folder / "added_tokens.json")) {
    for (const auto& [text, id] : added->items()) ids[text] = id_in(id, text, (folder / "added_tokens.json").string());
  }
  json tokens = json::array();
  for (const auto& [text, id] : ids) tokens.push_back({{"id", id}, {"content", text}, {"special", true}});
  return tokens;
}

/// GPT-2's two files, in which OPT and others published theirs, as the tokenizer.json that `transformers` makes of
/// them.
json vocabulary_and_merges(const fs::path& folder) {
  const auto vocabulary = read_config(folder / "vocab.json");
  const auto config = read_config(folder / "tokenizer_config.json");
  const std::string where = (folder / "tokenizer_config.json").string();
  const bool prefix_space = config && JsonSection(*config, "the file", where).flag_or("add_prefix_space", false);
  return {{"version", "1.0"},
          {"added_tokens", special_tokens_in(folder, *vocabulary)},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", prefix_space}, {"use_regex", true}}},
          {"model", {{"type", "BPE"}, {"vocab", *vocabulary}, {"merges", merges_in(folder / "merges.txt")}}}};
}

}  // namespace

Tokenizer Tokenizer::from_json(const fs::path& path, std::optional<int64_t> vocabulary) {
  return tokenizer_from(path, {.vocabulary = vocabulary, .is_of_model = false, .ends = {}});
}

Tokenizer Tokenizer::from_json_text(std::string_view text, const std::string& where,
                                    std::optional<int64_t> vocabulary) {
  return tokenizer_from(text, where, {.vocabulary = vocabulary, .is_of_model = false, .ends = {}});
}

Tokenizer Tokenizer::from_folder(const fs::path& folder, int64_t vocabulary) {
  // A run of our own training may use a beginning of its tokenizer.
  const auto ends = ends_in(folder);
  const Reading reading{.vocabulary = vocabulary, .is_of_model = !is_there(folder / "recipe.txt"), .ends = ends};
  const auto with_bos = [&](Tokenizer tokenizer) {
    if (ends && ends->bos_id && *ends->bos_id < tokenizer.vocabulary_size()) tokenizer.bos_ = ends->bos_id;
    return tokenizer;
  };
  if (is_there(folder / "tokenizer.json")) return with_bos(tokenizer_from(folder / "tokenizer.json", reading));
  if (is_there(folder / "vocab.json") && is_there(folder / "merges.txt")) {
    auto tokenizer = tokenizer_from(vocabulary_and_merges(folder).dump(), (folder / "vocab.json").string(), reading);
    tokenizer.adds_bos_ = ends && ends->adds_bos.value_or(false);
    return with_bos(std::move(tokenizer));
  }
  if (!is_there(folder / "tokenizer.model")) {
    throw Error("there is neither tokenizer.json nor tokenizer.model, nor vocab.json with merges.txt", folder.string(),
                "fetch the whole folder of the model");
  }
  auto tokenizer = from_sentencepiece(folder / "tokenizer.model");
  if (ends) tokenizer.adds_bos_ = ends->adds_bos.value_or(tokenizer.adds_bos_);
  if (tokenizer.vocabulary_size() <= vocabulary) return tokenizer;
  throw Error("tokenizer.model has " + std::to_string(tokenizer.vocabulary_size()) + " tokens, the model " +
                  std::to_string(vocabulary),
              folder.string(), "fetch the two from the same place");
}

}  // namespace replicate
