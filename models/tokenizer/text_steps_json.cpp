#include "models/tokenizer/text_steps_json.h"

#include <algorithm>
#include <optional>

#include "models/tokenizer/byte_level.h"

namespace replicate {
namespace {

using nlohmann::json;

constexpr size_t kLongestPattern = 10'000;
constexpr size_t kMostSteps = 16;
constexpr const char* kWhole = "(?s).+";

/// Options in parentheses: (?i), (?m-i:. Nothing for groups of other kinds.
std::string_view options_at(std::string_view pattern) {
  if (!pattern.starts_with("(?")) return {};
  const auto end = pattern.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", 2);
  return end == std::string_view::npos || end == 2 ? std::string_view() : pattern.substr(0, end + 1);
}

/// What Oniguruma, in which the library searches, understands otherwise than PCRE2. The tokenizers of the architectures
/// that are known here do without.
void check_dialect(std::string_view pattern, const std::string& where) {
  const auto refuse = [&](std::string_view what) {
    fail_other_kind(in_quotes(what) + " in the pattern " + in_quotes(pattern), where);
  };
  bool in_brackets = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const auto rest = pattern.substr(i);
    if (rest.size() > 1 && rest.front() == '\\') {
      const auto is_one_of = [&](std::string_view letters) { return letters.find(rest[1]) != std::string_view::npos; };
      const bool has_braces = rest.substr(2).starts_with('{');
      // Marks are parts of words, h is hexadecimal, v one character, a property has braces, and there are no quotes.
      if (is_one_of("wWbBhHvVQE") || (is_one_of("pP") && !has_braces)) refuse(rest.substr(0, 2));
      i += is_one_of("pPx") && has_braces ? std::min(rest.find('}'), rest.size()) : 1;
    } else if (in_brackets) {
      if (rest.front() == '[') refuse("[ in brackets");  // a class of its own
      if (rest.starts_with("&&")) refuse("&&");          // an intersection
      in_brackets = rest.front() != ']';
    } else {
      in_brackets = rest.front() == '[';
      for (const auto* repeat : {"}+", "{,"}) {  // a repetition of repetitions, and one from zero on
        if (rest.starts_with(repeat)) refuse(repeat);
      }
      const auto options = options_at(rest);  // m is that of dots, and what is set within a group holds up to its end
      const bool is_known = options.empty() || options == "(?i:" || (options == "(?i)" && i == 0);
      if (!is_known) refuse(options);
    }
  }
}

/// Collects the steps of a file, in their order.
class Reader {
 public:
  void normalize(const JsonSection& step) {
    const auto type = step.text("type");
    auto& normalizers = result_.steps.normalizers;
    if (type == "Sequence") return each(step, "normalizers", [&](const JsonSection& next) { normalize(next); });
    count(step);
    if (type == "NFC") return normalizers.push_back(canonical_composition());
    if (type == "Prepend") return normalizers.push_back(prefix(step.text("prepend")));
    if (type == "Replace") return normalizers.push_back(replacement(literal(step), step.text("content")));
    fail_other_kind("normalizer " + in_quotes(type), step.where());
  }

  void split(const JsonSection& step) {
    const auto type = step.text("type");
    if (type == "Sequence") return each(step, "pretokenizers", [&](const JsonSection& next) { split(next); });
    count(step);
    if (result_.on_bytes) fail_other_kind("a pre-tokenizer after ByteLevel", step.where());
    if (type == "Split") return add_split(step);
    if (type == "Digits") return add_pattern(step.flag_or("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
    if (type == "Metaspace") return add_metaspace(step);
    if (type == "ByteLevel") return add_byte_level(step);
    fail_other_kind("pre-tokenizer " + in_quotes(type), step.where());
  }

  JsonTextSteps finish(const JsonSection& file) {
    auto& steps = result_.steps;
    const bool one_pattern = steps.normalizers.empty() && steps.splitters.size() == 1 && patterns_.size() == 1;
    if (one_pattern) {
      steps.description = with_white_space(patterns_.front());
    } else if (steps.normalizers.empty() && steps.splitters.empty()) {
      steps.description = kWhole;
    } else {
      for (const auto* key : {"normalizer", "pre_tokenizer"}) {
        steps.description += file.find(key) ? file.find(key)->dump() : "none";
      }
    }
    return std::move(result_);
  }

 private:
  template <typename Use>
  void each(const JsonSection& sequence, const char* key, const Use& use) {
    for (const json& item : sequence.list(key)) use(JsonSection(item, sequence.path(key), sequence.where()));
  }

  void count(const JsonSection& step) {
    if (++count_ > kMostSteps) fail_other_kind("more than " + std::to_string(kMostSteps) + " steps", step.where());
  }

  std::string literal(const JsonSection& step) const {
    auto text = step.section("pattern").text("String");
    if (text.empty()) fail_other_kind("an empty pattern", step.where());
    return text;
  }

  void add_pattern(const std::string& pattern) {
    patterns_.push_back(pattern);
    result_.steps.splitters.push_back(split_at(word_pattern(pattern), Matches::isolated));
  }

  void add_split(const JsonSection& step) {
    const auto pattern = step.section("pattern");
    const auto expression = pattern.find("Regex") ? pattern.text("Regex") : quoted_pattern(literal(step));
    if (expression.size() > kLongestPattern) fail_other_kind("a very long pattern", step.where());
    if (pattern.find("Regex")) check_dialect(expression, step.where());
    const bool inverted = step.flag_or("invert", false);
    const auto behavior = step.text("behavior");
    auto matches = Matches::isolated;
    if (behavior == "Removed") {
      matches = Matches::removed;
    } else if (behavior == "MergedWithPrevious") {
      matches = Matches::merged_with_previous;
    } else if (behavior == "MergedWithNext") {
      matches = Matches::merged_with_next;
    } else if (behavior != "Isolated") {
      fail_other_kind("a Split that is " + in_quotes(behavior), step.where());
    }
    if (matches == Matches::isolated) return add_pattern(expression);  // inverted or not
    result_.steps.splitters.push_back(split_at(word_pattern(expression), matches, inverted));
  }

  void add_metaspace(const JsonSection& step) {
    const auto mark = step.text_or("replacement", "\u2581");
    if (mark.empty()) fail_other_kind("an empty replacement of spaces", step.where());
    // Older files say whether, newer ones when.
    const auto scheme = step.text_or("prepend_scheme", step.flag_or("add_prefix_space", true) ? "always" : "never");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      fail_other_kind("the prefix scheme " + in_quotes(scheme), step.where());
    }
    const auto when = scheme == "first"   ? PrefixScheme::first
                      : scheme == "never" ? PrefixScheme::never
                                          : PrefixScheme::always;
    result_.steps.splitters.push_back(metaspace(mark, when, step.flag_or("split", true)));
  }

  void add_byte_level(const JsonSection& step) {
    if (step.flag_or("add_prefix_space", true)) result_.steps.splitters.push_back(space_prefix());
    if (step.flag_or("use_regex", true)) add_pattern(std::string(kGpt2Words));
    result_.on_bytes = true;
  }

  JsonTextSteps result_;
  std::vector<std::string> patterns_;
  size_t count_ = 0;
};

}  // namespace

void fail_other_kind(const std::string& what, const std::string& where) {
  throw Error(what + " is not supported", where,
              "use a tokenizer.json without it, or SentencePiece's tokenizer.model in its place");
}

JsonTextSteps text_steps_from(const JsonSection& file) {
  Reader reader;
  if (file.find("normalizer")) reader.normalize(file.section("normalizer"));
  if (file.find("pre_tokenizer")) reader.split(file.section("pre_tokenizer"));
  return reader.finish(file);
}

}  // namespace replicate
