#pragma once

// Token ids for experiments: seeded, hashed, and never the same sequences for finding layers (the survey)
// and for measuring on them.

#include <filesystem>
#include <map>

#include "harness/record/record.h"
#include "models/core/tokens.h"
#include "models/tokenizer/tokenizer.h"

namespace replicate {

enum class InputKind { natural, random, repeated };
enum class Region { survey, calibration, measure };  ///< disjoint parts of the prose, separate draws of ids

std::string name_of(InputKind kind);  ///< "natural", ...
std::string name_of(Region region);   ///< "survey", "calibration" or "judged"

struct InputShape {
  int64_t sequences = 0;
  int64_t length = 0;
};

/// Where passages of natural text come from.
struct TextSource {
  std::filesystem::path folder;       ///< of .txt files
  std::vector<int64_t> opening = {};  ///< what every passage begins with, as a chat template has it
};

/// What a record says of token ids.
InputsRecord inputs_record(const TokenIds& tokens);

/// Makes token ids on demand and keeps them: what was asked for before is not made again.
class InputMaker {
 public:
  /// The text is read when it is first asked for. Error when every id of the vocabulary is special.
  InputMaker(std::shared_ptr<const Tokenizer> tokenizer, int64_t vocabulary, TextSource prose, uint64_t seed);

  /// natural: distinct passages that begin at a line, after the source's opening; random: uniform ids without special
  /// tokens; repeated: one random id a sequence. With `bos` the sequence begins with BOS and stays T long. Error when
  /// there is too little text, no BOS, no prose, or an opening that leaves a passage less than half of T.
  Tokens make(InputKind kind, InputShape shape, bool bos = false, Region region = Region::measure);

  /// n ordinary ids, the same ones for the same purpose.
  std::vector<int64_t> ordinary_ids(int64_t n, const std::string& purpose) const;

  /// Sequences of one token, [N, 1]: every ordinary id once, or, where there are more than `most`, so many of them.
  Tokens one_token_each(int64_t most);

  std::string word(int64_t id) const;  ///< what a token stands for, as well-formed UTF-8

  int64_t bos() const;  ///< Error without one
  bool has_bos() const { return tokenizer_->bos().has_value(); }

  std::string prose_sha256();  ///< of all the text that natural inputs are drawn from, then the ids of its opening

 private:
  std::vector<int64_t> draw(InputKind kind, InputShape shape, Region region);
  std::vector<int64_t> natural(InputShape shape, Region region);
  const std::string& text();

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<int64_t> ordinary_;  ///< ids that are not special
  TextSource prose_;
  uint64_t seed_;
  std::string text_;
  std::map<std::string, Tokens> made_;
};

/// The same sequences under another label with the token at `position` replaced: ids[b] in sequence b, or one id for
/// all.
Tokens replaced(const TokenIds& tokens, int64_t position, const std::vector<int64_t>& ids, const std::string& label);

}  // namespace replicate
