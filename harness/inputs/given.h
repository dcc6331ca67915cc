#pragma once

// What a user measures on in place of the program's own inputs: token ids, or a text of their own.

#include <string>
#include <vector>

#include "models/core/tokens.h"
#include "models/tokenizer/tokenizer.h"

namespace replicate {

/// --tokens FILE, --text FILE or --text-literal TEXT.
struct GivenSource {
  enum class Kind { tokens, text, literal };
  Kind kind = Kind::tokens;
  std::string value;  ///< a path, or the text itself
};

/// How a text is cut into sequences.
struct GivenShape {
  int64_t length = 128;  ///< T, where the text has enough of it
  bool bos = false;      ///< each sequence begins with BOS, and has T - 1 tokens of the text
};

/// Given sequences, so that nothing is chosen on those that are judged: the first third, at least 8, finds layers,
/// neurons and means, and the rest is judged. Of fewer than kFewestGiven none are set aside.
struct GivenInputs {
  Tokens judged = nullptr, set_aside = nullptr;
  std::vector<std::string> notes = {};  ///< what was left out and why, a sentence each
};
inline constexpr int64_t kFewestGiven = 24;
inline constexpr int64_t kShortestGiven = 16;      ///< ids of a sequence
inline constexpr int64_t kMostTextSequences = 48;  ///< of a text: 16 to set aside and the 32 that most claims judge

/// Reads and checks what was given.
/// Ids are JSON Lines, an array of them per sequence. Sequences of several lengths are cut to one: that which keeps the
/// most ids, and at least kFewestGiven sequences where there are as many. Text is tokenized as `transformers` does it,
/// special tokens that it spells included, and cut into sequences of `shape.length`, or of half or a quarter of that
/// where there would be fewer than kFewestGiven; of a long text, evenly spread ones are taken. A sequence that repeats
/// another one is left out. Error for a file that cannot be read, is no text in UTF-8 or no JSON Lines, for ids outside
/// 0..vocabulary-1, for what is too short, and for BOS without such a token.
GivenInputs read_given(const GivenSource& source, const Tokenizer& tokenizer, int64_t vocabulary,
                       const GivenShape& shape = {});

/// All its sequences as a file for --tokens.
std::string given_jsonl(const GivenInputs& given);

}  // namespace replicate
