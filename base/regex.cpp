#include "base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/error.h"

namespace replicate {
namespace {

std::string explain(int code) {
  unsigned char message[256];
  pcre2_get_error_message(code, message, sizeof(message));
  return reinterpret_cast<const char*>(message);
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;
using MatchContext = std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)>;

/// How long PCRE2 tries at one place, and in how much memory: its own limits, ten million tries and
/// 20 GB, suit no pattern out of a file. Patterns of real tokenizers take up to 16 tries for each
/// byte of a run that they go back through.
MatchContext limits_for(size_t text) {
  constexpr size_t kTriesAnyway = 10'000, kTriesForAByte = 32, kMostTries = 10'000'000;
  constexpr uint32_t kMostMemory = 256 << 10;  // KiB; without the just-in-time compiler only
  MatchContext limits(pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  if (!limits) throw std::bad_alloc();
  const size_t tries = std::min(kTriesAnyway + kTriesForAByte * text, kMostTries);
  pcre2_set_match_limit(limits.get(), static_cast<uint32_t>(tries));
  pcre2_set_heap_limit(limits.get(), kMostMemory);
  return limits;
}

}  // namespace

struct Regex::Code {
  explicit Code(pcre2_code* compiled) : compiled(compiled) {}
  Code(const Code&) = delete;
  ~Code() { pcre2_code_free(compiled); }

  pcre2_code* compiled;
};

Regex::Regex(const std::string& pattern, Text text) {
  // Settings of PCRE2 itself, which no other engine knows.
  if (pattern.starts_with("(*")) {
    throw Error("malformed pattern " + in_quotes(pattern), "character 0", "give one without (*...)");
  }
  // \C would split a character. Anchors are those of lines, as Oniguruma has them.
  const uint32_t options = PCRE2_NEVER_BACKSLASH_C | PCRE2_MULTILINE | (text == Text::utf8 ? PCRE2_UTF | PCRE2_UCP : 0);
  int code = 0;
  size_t offset = 0;
  pcre2_code* compiled = pcre2_compile(units(pattern), pattern.size(), options, &code, &offset, nullptr);
  if (!compiled) {
    throw Error("malformed pattern " + in_quotes(pattern), "character " + std::to_string(offset), explain(code));
  }
  code_ = std::make_shared<const Code>(compiled);
  // Where there is no just-in-time compiler, matching falls back to the interpreter.
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
}

void Regex::each_match(std::string_view text, const std::function<void(size_t begin, size_t end)>& use) const {
  const MatchData data(pcre2_match_data_create_from_pattern(code_->compiled, nullptr), &pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  const MatchContext limits = limits_for(text.size());
  // Checking the text is the caller's: here it would be done over again at every match.
  const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
  const size_t* ends = pcre2_get_ovector_pointer(data.get());
  for (size_t begin = 0; begin < text.size(); begin = ends[1]) {
    const auto fail = [&](const std::string& why, const char* remedy) {
      throw Error("cannot split the text, " + why,
                  "byte " + std::to_string(begin) + " of " + std::to_string(text.size()), remedy);
    };
    const int matches =
        pcre2_match(code_->compiled, units(text), text.size(), begin, options, data.get(), limits.get());
    if (matches == PCRE2_ERROR_NOMATCH) return;
    if (matches < 0) fail(explain(matches), "split it into shorter lines");
    // With \K in a lookaround a match can be anywhere, and there would be no end of matches.
    if (ends[0] < begin || ends[1] <= ends[0]) fail("a match goes back", "use another tokenizer");
    use(ends[0], ends[1]);
  }
}

}  // namespace replicate
