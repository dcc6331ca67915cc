#include "models/formats/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "models/formats/error.h"

namespace replicate {
namespace {

std::string explain(int code) {
  unsigned char message[256];
  pcre2_get_error_message(code, message, sizeof(message));
  return reinterpret_cast<const char*>(message);
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

}  // namespace

struct Regex::Code {
  explicit Code(pcre2_code* compiled) : compiled(compiled) {}
  Code(const Code&) = delete;
  ~Code() { pcre2_code_free(compiled); }

  pcre2_code* compiled;
};

Regex::Regex(const std::string& pattern, Text text) {
  // \C would split a character.
  const uint32_t options =
      PCRE2_NEVER_BACKSLASH_C | (text == Text::utf8 ? PCRE2_UTF | PCRE2_UCP : 0);
  int code = 0;
  size_t offset = 0;
  pcre2_code* compiled =
      pcre2_compile(units(pattern), pattern.size(), options, &code, &offset, nullptr);
  if (!compiled) {
    throw Error("malformed pattern " + in_quotes(pattern), "character " + std::to_string(offset),
                explain(code));
  }
  code_ = std::make_shared<const Code>(compiled);
  // Where there is no just-in-time compiler, matching falls back to the interpreter.
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
}

void Regex::each_match(std::string_view text,
                       const std::function<void(size_t begin, size_t end)>& use) const {
  const MatchData data(pcre2_match_data_create_from_pattern(code_->compiled, nullptr),
                       &pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  // Checking the text is the caller's: here it would be done over again at every match.
  const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
  const size_t* ends = pcre2_get_ovector_pointer(data.get());
  for (size_t begin = 0; begin < text.size(); begin = ends[1]) {
    const int matches =
        pcre2_match(code_->compiled, units(text), text.size(), begin, options, data.get(), nullptr);
    if (matches == PCRE2_ERROR_NOMATCH) return;
    if (matches < 0) {
      throw Error("cannot split the text, " + explain(matches),
                  "byte " + std::to_string(begin) + " of " + std::to_string(text.size()),
                  "split it into shorter lines");
    }
    use(ends[0], ends[1]);
  }
}

}  // namespace replicate
