#include "models/tokenizer/text_steps.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <span>
#include <utility>

#include "base/error.h"
#include "models/tokenizer/byte_level.h"

namespace replicate {
namespace {

/// Steps of a hostile file multiply what those before them made: sixteen that write ten characters for one would make
/// 10^16 of them. Those of real files no more than quadruple a text (a space is written in three bytes, a digit gets
/// such a space before it), and what they put before it is short.
void check_growth(size_t bytes, size_t from, size_t times = 1) {
  constexpr size_t kMostTimes = 16, kMostMore = 4096;
  if (bytes <= times * (kMostTimes * from + kMostMore)) return;
  throw Error("the tokenizer blows up " + std::to_string(from) + " bytes", "text", "use another tokenizer");
}

std::string composed(std::string_view text) {
  utf8proc_uint8_t* result = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &result, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0)
    throw Error(std::string("cannot compose characters, ") + utf8proc_errmsg(size), "text", "give well-formed UTF-8");
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  return {reinterpret_cast<const char*>(result), static_cast<size_t>(size)};
}

std::string replaced(std::string_view text, const std::string& from, const std::string& to) {
  std::string result;
  size_t done = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    result.append(text.substr(done, at - done)).append(to);
    check_growth(result.size(), text.size());
    done = at + from.size();
  }
  return result.append(text.substr(done));
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

/// A stretch of a piece, from one end to the next.
struct Stretch {
  size_t begin, end;
  bool is_match;
};

std::vector<Stretch> stretches_of(const Regex& pattern, std::string_view text, bool inverted) {
  std::vector<Stretch> stretches;
  size_t done = 0;
  const auto put = [&](size_t end, bool is_match) {
    if (end > done) stretches.push_back({done, end, is_match != inverted});
    done = std::max(done, end);
  };
  pattern.each_match(text, [&](size_t begin, size_t end) {
    put(begin, false);
    put(end, true);
  });
  put(text.size(), false);
  return stretches;
}

/// Matches go with what comes before or after, where that is not a match itself.
std::vector<Stretch> merged(const std::vector<Stretch>& stretches, Matches matches) {
  std::vector<Stretch> result;
  bool previous_is_match = false;
  for (const auto& stretch : stretches) {
    const bool joins = matches == Matches::merged_with_previous ? stretch.is_match && !previous_is_match
                                                                : !stretch.is_match && previous_is_match;
    if (joins && !result.empty()) {
      result.back().end = stretch.end;
    } else {
      result.push_back(stretch);
    }
    previous_is_match = stretch.is_match;
  }
  return result;
}

}  // namespace

Normalizer canonical_composition() {
  return [](std::string_view text) { return is_ascii(text) ? std::string(text) : composed(text); };
}

Normalizer replacement(std::string from, std::string to) {
  return [from = std::move(from), to = std::move(to)](std::string_view text) { return replaced(text, from, to); };
}

std::string normalized(const std::vector<Normalizer>& normalizers, std::string_view text) {
  std::string result(text);
  for (const auto& normalize : normalizers) {
    result = normalize(result);
    check_growth(result.size(), text.size());
  }
  return result;
}

Normalizer prefix(std::string added) {
  return [added = std::move(added)](std::string_view text) {
    return text.empty() ? std::string() : added + std::string(text);
  };
}

Splitter split_at(Regex pattern, Matches matches, bool inverted) {
  return [pattern = std::move(pattern), matches, inverted](const Piece& piece, const UsePiece& use) {
    auto stretches = stretches_of(pattern, piece.text, inverted);
    if (matches == Matches::merged_with_previous || matches == Matches::merged_with_next)
      stretches = merged(stretches, matches);
    for (const auto& [begin, end, is_match] : stretches) {
      if (is_match && matches == Matches::removed) continue;
      use({piece.text.substr(begin, end - begin), piece.is_start && begin == 0});
    }
  };
}

Splitter space_prefix() {
  return [](const Piece& piece, const UsePiece& use) {
    if (piece.text.starts_with(' ')) return use(piece);
    const auto text = " " + std::string(piece.text);
    use({text, piece.is_start});
  };
}

Splitter metaspace(const std::string& mark, PrefixScheme scheme, bool splits) {
  const auto split = split_at(word_pattern(quoted_pattern(mark)), Matches::merged_with_next);
  return [=](const Piece& piece, const UsePiece& use) {
    auto text = replaced(piece.text, " ", mark);
    const bool wants = scheme == PrefixScheme::always || (scheme == PrefixScheme::first && piece.is_start);
    if (wants && !text.starts_with(mark)) text.insert(0, mark);
    if (splits) return split({text, piece.is_start}, use);
    use({text, piece.is_start});
  };
}

Regex word_pattern(std::string_view pattern) { return {with_white_space(pattern), Regex::Text::utf8}; }

TextSteps words_of(std::string_view pattern) {
  return {.normalizers = {},
          .splitters = {split_at(word_pattern(pattern), Matches::isolated)},
          .description = with_white_space(pattern)};
}

std::string quoted_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte >= 0x80 || std::isalnum(byte) || std::isspace(byte) || std::iscntrl(byte);
    if (!plain) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

void split_by(const std::vector<Splitter>& splitters, const Piece& piece, const UsePiece& use) {
  // Over all steps: some split what others made, or leave it out, so that no single part need be large.
  size_t bytes = 0;
  const std::function<void(const Piece&, size_t)> from = [&](const Piece& part, size_t step) {
    bytes += part.text.size();
    check_growth(bytes, piece.text.size(), splitters.size() + 1);
    if (step == splitters.size()) return use(part);
    splitters[step](part, [&](const Piece& next) { from(next, step + 1); });
  };
  if (!piece.text.empty()) from(piece, 0);
}

}  // namespace replicate
