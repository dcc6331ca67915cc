#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "models/formats/byte_level.h"
#include "models/formats/error.h"
#include "models/formats/mapped_file.h"
#include "models/formats/tokenizer.h"
#include "models/formats/tokenizer_builder.h"

namespace replicate {
namespace {

using nlohmann::json;

constexpr const char* kEndOfText = "<|endoftext|>";
constexpr const char* kDamaged = "the file is damaged, fetch it again";
constexpr const char* kOtherKind =
    "use a tokenizer.json of byte-level BPE without a normalizer, such as GPT-2's";
constexpr int kDeepest = 32;
constexpr size_t kLongestPattern = 10'000;

/// Looks on while a text is parsed: keys that come twice would otherwise replace each other, and
/// deep nesting would cost memory.
class Watcher {
 public:
  explicit Watcher(const std::string& where) : where_(where) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    const auto level = static_cast<size_t>(depth);
    if (depth > kDeepest) throw Error("JSON nested too deep", where_, kDamaged);
    if (event == json::parse_event_t::object_start) {
      keys_.resize(level + 2);
      keys_[level + 1].clear();
    }
    if (event == json::parse_event_t::key &&
        !keys_[level].insert(parsed.get<std::string>()).second) {
      throw Error("the key " + in_quotes(parsed.get<std::string>()) + " is there twice", where_,
                  kDamaged);
    }
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> keys_;  ///< of the objects that are open, by depth
};

json parse_json(std::string_view text, const std::string& where) {
  // The library would take a NUL for the end and never look at what follows.
  if (text.find('\0') != std::string_view::npos) throw Error("a NUL byte", where, kDamaged);
  try {
    Watcher watcher(where);
    return json::parse(text, [&](int depth, json::parse_event_t event, json& parsed) {
      return watcher(depth, event, parsed);
    });
  } catch (const json::exception&) {
    throw Error("malformed JSON", where, kDamaged);
  }
}

/// An object of the file; every access says what is wrong with it.
class Section {
 public:
  Section(const json& value, std::string name, const std::string& where)
      : value_(value), name_(std::move(name)), where_(where) {
    if (!value_.is_object()) fail_kind("", "an object");
  }

  /// Null also when the file says so itself.
  const json* find(const char* key) const {
    const auto found = value_.find(key);
    return found == value_.end() || found->is_null() ? nullptr : &*found;
  }

  const json& require(const char* key) const {
    if (const json* found = find(key)) return *found;
    throw Error(path(key) + " is missing", where_, kDamaged);
  }

  Section section(const char* key) const { return {require(key), path(key), where_}; }

  std::string text(const char* key) const {
    if (!require(key).is_string()) fail_kind(key, "a text");
    return require(key).get<std::string>();
  }

  std::string text_or(const char* key, const char* otherwise) const {
    return find(key) ? text(key) : otherwise;
  }

  bool flag_or(const char* key, bool otherwise) const {
    const json* found = find(key);
    if (!found) return otherwise;
    if (!found->is_boolean()) fail_kind(key, "a truth value");
    return found->get<bool>();
  }

  const json& list(const char* key) const {
    if (!require(key).is_array()) fail_kind(key, "a list");
    return require(key);
  }

  [[noreturn]] void fail_kind(const std::string& key, const std::string& wanted) const {
    throw Error((key.empty() ? name_ : path(key)) + " is not " + wanted, where_, kDamaged);
  }

  std::string path(const std::string& key) const { return name_ + "." + key; }
  const std::string& where() const { return where_; }

 private:
  const json& value_;
  std::string name_;
  const std::string& where_;
};

[[noreturn]] void fail_other_kind(const std::string& what, const std::string& where) {
  throw Error(what + " is not supported", where, kOtherKind);
}

// Pre-tokenizers.

std::string split_pattern(const Section& split) {
  if (split.text_or("behavior", "") != "Isolated" || split.flag_or("invert", false)) {
    fail_other_kind("a Split that does not keep its matches", split.where());
  }
  std::string pattern = split.section("pattern").text("Regex");
  if (pattern.size() > kLongestPattern) fail_other_kind("a very long pattern", split.where());
  return pattern;
}

/// Nothing where ByteLevel splits nothing itself.
std::optional<std::string> byte_level_pattern(const Section& step) {
  if (step.text("type") != "ByteLevel") {
    fail_other_kind("pre-tokenizer " + in_quotes(step.text("type")), step.where());
  }
  if (step.flag_or("add_prefix_space", true)) fail_other_kind("a prefix space", step.where());
  if (!step.flag_or("use_regex", true)) return std::nullopt;
  return std::string(kGpt2Words);
}

/// ByteLevel alone, or a Split before a ByteLevel that splits nothing.
std::string words_pattern(const Section& pre) {
  constexpr const char* kWhole = "(?s).+";
  if (pre.text("type") != "Sequence") return byte_level_pattern(pre).value_or(kWhole);
  const json& steps = pre.list("pretokenizers");
  if (steps.empty() || steps.size() > 2) {
    fail_other_kind("a sequence of " + std::to_string(steps.size()) + " pre-tokenizers",
                    pre.where());
  }
  const auto last = byte_level_pattern(Section(steps.back(), "pre_tokenizer", pre.where()));
  if (steps.size() == 1) return last.value_or(kWhole);
  const Section first(steps.front(), "pre_tokenizer", pre.where());
  if (first.text("type") != "Split" || last) {
    fail_other_kind("this sequence of pre-tokenizers", pre.where());
  }
  return split_pattern(first);
}

// Tokens and merges.

struct AddedToken {
  std::string text;
  int64_t id;
};

int64_t id_in(const json& value, const std::string& text, const std::string& where) {
  if (value.is_number_unsigned() && std::in_range<int32_t>(value.get<uint64_t>())) {
    return value.get<int64_t>();
  }
  throw Error("the id of token " + in_quotes(text) + " is not a number in range", where, kDamaged);
}

std::vector<AddedToken> added_tokens(const Section& file) {
  std::vector<AddedToken> result;
  if (!file.find("added_tokens")) return result;
  for (const json& item : file.list("added_tokens")) {
    const Section token(item, "added_tokens", file.where());
    const std::string text = token.text("content");
    if (!token.flag_or("special", false)) {
      fail_other_kind("an added token that is not special, " + in_quotes(text) + ",", file.where());
    }
    result.push_back({text, id_in(token.require("id"), text, file.where())});
  }
  return result;
}

/// Tokens by id: those of the model, and the added ones behind them (or among them again).
std::vector<std::string> token_texts(const json& vocabulary, const std::vector<AddedToken>& added,
                                     const std::string& where) {
  std::map<int64_t, std::string> by_id;
  const auto put = [&](const std::string& text, int64_t id) {
    const auto [entry, is_new] = by_id.emplace(id, text);
    if (is_new || entry->second == text) return;
    throw Error("token id " + std::to_string(id) + " is there twice", where, kDamaged);
  };
  for (const auto& [text, id] : vocabulary.items()) put(text, id_in(id, text, where));
  for (const AddedToken& token : added) put(token.text, token.id);
  std::vector<std::string> texts;
  for (auto& [id, text] : by_id) {
    if (!std::cmp_equal(id, texts.size())) {
      throw Error("token id " + std::to_string(texts.size()) + " is missing", where, kDamaged);
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

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
  if (space == std::string::npos) throw Error("a merge that is no pair", where, kDamaged);
  return {text.substr(0, space), text.substr(space + 1)};
}

/// Keeps the first `vocabulary` ids, where that leaves a tokenizer.
class Shortening {
 public:
  Shortening(std::vector<std::string>& texts, std::optional<int64_t> vocabulary,
             const std::string& where)
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

  void check(const std::vector<AddedToken>& added, const TokenizerBuilder& builder) const {
    if (!is_wanted_) return;
    for (const AddedToken& token : added) {
      if (gone_.contains(token.text)) fail("special token " + in_quotes(token.text) + " is lost");
    }
    if (!builder.has_all_bytes()) fail("some single byte has no token left");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error("the vocabulary cannot be shortened, " + what, where_,
                "ask for another number of tokens");
  }

  bool is_wanted_;
  bool has_dropped_ = false;
  const std::string& where_;
  std::set<std::string> gone_;
};

/// What would change ids in a way that this program does not know.
void check_kind(const Section& file, const Section& model) {
  const std::string type = model.text_or("type", "BPE");
  if (type != "BPE") fail_other_kind("a model of kind " + in_quotes(type), file.where());
  if (file.find("normalizer")) fail_other_kind("a normalizer", file.where());
  if (model.find("dropout")) fail_other_kind("dropout of merges", file.where());
  if (model.flag_or("byte_fallback", false)) fail_other_kind("byte fallback", file.where());
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text_or(key, "").empty()) fail_other_kind(model.path(key), file.where());
  }
}

}  // namespace

Tokenizer Tokenizer::from_json(const std::filesystem::path& path,
                               std::optional<int64_t> vocabulary) {
  const MappedFile file = MappedFile::open(path);
  const auto bytes = file.bytes();
  return from_json_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string(),
                        vocabulary);
}

Tokenizer Tokenizer::from_json_text(std::string_view text, const std::string& where,
                                    std::optional<int64_t> vocabulary) {
  const json parsed = parse_json(text, where);
  const Section file(parsed, "the file", where);
  const Section model = file.section("model");
  check_kind(file, model);
  const auto added = added_tokens(file);
  const json& ids = model.require("vocab");
  if (!ids.is_object()) model.fail_kind("vocab", "an object");
  auto texts = token_texts(ids, added, where);
  Shortening shortening(texts, vocabulary, where);

  TokenizerBuilder builder(where, words_pattern(file.section("pre_tokenizer")));
  builder.set_tokens(std::move(texts));
  shortening.check(added, builder);
  for (const AddedToken& token : added) builder.set_special(static_cast<size_t>(token.id));
  for (const json& item : model.list("merges")) {
    const Merge merge = merge_of(item, where);
    if (shortening.keeps(merge)) {
      builder.add_merge(merge.left, merge.right, merge.left + " " + merge.right);
    }
  }
  if (model.flag_or("ignore_merges", false)) builder.use_whole_words();
  builder.set_bos(builder.find(kEndOfText), false);
  builder.set_eos(builder.find(kEndOfText));
  return builder.finish();
}

}  // namespace replicate
